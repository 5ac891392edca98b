// SPDX-License-Identifier: Apache-2.0
// CRC-32 as zlib computes it (polynomial 0xEDB88320 reflected, start and final inversion), one byte a clock.
//
// A message is answered by the four bytes of its CRC-32, most significant byte first.
// An answer's last byte leaves the register as power-up found it, so messages can follow each other at once.

module top (
    input            clk,
    input      [7:0] in_data,
    input            in_valid,
    input            in_last,
    output           in_ready,
    output     [7:0] out_data,
    output           out_valid,
    output           out_last,
    input            out_ready
);
    // Registers power up to 0, so the register holds the inverse of the CRC's register: 0 here is 0xffffffff there,
    // and the final inversion costs nothing.
    reg [31:0] inverse = 0;
    reg        answering = 0;
    reg  [1:0] index = 0;

    function [31:0] step(input [31:0] crc, input [7:0] data);
        integer i;
        begin
            step = crc ^ {24'b0, data};
            for (i = 0; i < 8; i = i + 1)
                step = step[0] ? (step >> 1) ^ 32'hEDB88320 : step >> 1;
        end
    endfunction

    assign in_ready = !answering;
    assign out_valid = answering;
    assign out_data = inverse[31:24];
    assign out_last = index == 3;

    always @(posedge clk) begin
        if (!answering) begin
            if (in_valid) begin
                inverse <= ~step(~inverse, in_data);
                answering <= in_last;
            end
        end else if (out_ready) begin
            inverse <= {inverse[23:0], 8'b0};
            index <= index + 1;
            answering <= index != 3;
        end
    end
endmodule
