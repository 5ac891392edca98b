# SPDX-License-Identifier: Apache-2.0
"""`fpga-nova doctor`: looks for what an operator forgets, on the host that it runs on; changes nothing."""
