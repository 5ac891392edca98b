# SPDX-License-Identifier: Apache-2.0
# An image of Nova, patched: docker build --build-arg NOVA_IMAGE=... --tag nova-fpga .
# The build's context has a clone of fpga-nova in the directory fpga-nova.
ARG NOVA_IMAGE
FROM ${NOVA_IMAGE}
COPY fpga-nova /usr/src/fpga-nova
# The image has patch(1) and the packages that fpga-nova imports, from Debian (see the manual).
RUN pip install --break-system-packages --no-deps --no-build-isolation /usr/src/fpga-nova \
 && fpga-nova patch apply \
 && fpga-nova patch status
