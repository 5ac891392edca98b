# SPDX-License-Identifier: Apache-2.0
"""An OpenStack cloud with FPGAs on one machine, built from cloud.yaml."""
