# SPDX-License-Identifier: Apache-2.0
"""IP cores: archive, manifest, image, cache, admission, policy, signatures. Knows no OpenStack service and no card."""
