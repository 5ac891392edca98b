# SPDX-License-Identifier: Apache-2.0
"""`python -m fpga_nova.fpga_cli`: fpga-cli from a source tree."""

import sys

from fpga_nova.fpga_cli.main import main

sys.exit(main())
