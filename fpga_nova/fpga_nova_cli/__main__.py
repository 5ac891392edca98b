# SPDX-License-Identifier: Apache-2.0
"""`python -m fpga_nova.fpga_nova_cli`: fpga-nova from a source tree."""

import sys

from fpga_nova.fpga_nova_cli.main import main

sys.exit(main())
