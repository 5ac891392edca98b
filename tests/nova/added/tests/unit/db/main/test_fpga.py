# SPDX-License-Identifier: Apache-2.0
"""The columns in the database that Nova's migrations make, and in Nova's housekeeping."""

import sqlalchemy as sa
from nova import context, test
from nova.db import migration
from nova.db.main import api
from nova.tests.unit import fpga
from oslo_utils.fixture import uuidsentinel as uuids

TABLES = {"compute_nodes": {"fpga_regions", "fpga_regions_used"}, "instances": {"fpga_device"}}


class FpgaColumnsTestCase(test.TestCase):
    def setUp(self):
        super().setUp()
        self.ctxt = context.get_admin_context()
        self.engine = api.get_engine()

    def columns(self, table):
        return {column["name"]: column for column in sa.inspect(self.engine).get_columns(table)}

    def test_tables_and_their_shadows_have_the_columns(self):
        for base, names in TABLES.items():
            for table in (base, f"shadow_{base}"):
                columns = self.columns(table)
                self.assertEqual(names, {name for name in columns if name.startswith("fpga")})
                self.assertTrue(all(columns[name]["nullable"] for name in names))

    def test_columns_come_without_a_revision(self):
        before = migration.db_version("main")
        migration.db_sync(database="main")
        self.assertEqual(before, migration.db_version("main"))
        self.test_tables_and_their_shadows_have_the_columns()

    def test_deleted_servers_are_archived_with_their_region(self):
        values = {"uuid": uuids.server, "project_id": "project", "host": "host1", "fpga_device": fpga.REGION}
        api.instance_create(self.ctxt, values)
        api.instance_destroy(self.ctxt, uuids.server)
        api.archive_deleted_rows(max_rows=1000)
        query = sa.text("SELECT fpga_device FROM shadow_instances")
        with self.engine.connect() as connection:
            self.assertEqual([(fpga.REGION,)], [tuple(row) for row in connection.execute(query)])
            query = sa.text("SELECT count(*) FROM instances")
            self.assertEqual(0, connection.execute(query).scalar())
