// SPDX-License-Identifier: Apache-2.0
// LZO1X compression: each message is answered by a stream that any LZO1X decompressor takes.
//
// The format (as liblzo2's lzo1x_decompress reads it): runs of literals and copies ("matches") of earlier bytes take
// turns. A run of n literals is announced before it:
//     n = 1..3   in the low two bits of the match before it; before the first match, by a byte 17 + n
//     n = 4..18  by a byte n - 3
//     n > 18     by a byte 0, a byte 0 for each whole 255 of n - 19, and a byte with the rest, 1 to 255
// A match of l bytes at distance d, with the length s of a short run after it:
//     l <= 8, d <= 2048    two bytes    (l - 1) << 5 | (d - 1 & 7) << 2 | s,  d - 1 >> 3
//     l <= 33              three bytes  32 | l - 2,  (d - 1 & 63) << 2 | s,  d - 1 >> 6
// The end is 0x11 0x00 0x00.
//
// The window is a ring of the last 4096 bytes. A run's length comes before it, so the ring also holds the literals of
// the run that is not yet answered, and a match is held back until the length of the run after it is known.
//
// A message of up to 4096 bytes is compressed whatever it is. In a longer one every 4096 bytes must have some match:
// where a run outgrows the ring the rest of the message is taken and dropped, and the answer ends at once with a byte
// 0 instead of the end marker, which a decompressor refuses as cut off. Data that may be incompressible is sent in
// pages of 4096 bytes, each a message.
//
// A table remembers, for each hash of three bytes, where they were seen last. It is never cleared: what it says is
// believed only if it lies inside the message and the bytes in the ring are those.

module top (
    input            clk,
    input      [7:0] in_data,
    input            in_valid,
    input            in_last,
    output           in_ready,
    output reg [7:0] out_data,
    output reg       out_valid,
    output           out_last,
    input            out_ready
);
    localparam TAKE = 0,       // take a byte
               LOOK = 1,       // the table's answer is there: is it of use?
               CHECK0 = 2,     // compare the three bytes with those in the ring
               CHECK1 = 3,
               CHECK2 = 4,
               EXTEND = 5,     // in a match: does the byte taken belong to it?
               MATCH0 = 6,     // answer the match held back
               MATCH1 = 7,
               MATCH2 = 8,
               RUN0 = 9,       // announce the run
               RUN1 = 10,
               LITERALS = 11,  // answer its bytes
               HOLD = 12,      // hold the new match back, or end
               END0 = 13,      // the end marker
               END1 = 14,
               END2 = 15,
               DROP = 16;      // the run has outgrown the ring
    reg [4:0] state = TAKE;

    // The message.
    reg [7:0]  b0 = 0, b1 = 0, b2 = 0;  // its last three bytes, b2 the newest
    reg        ended = 0;               // its last byte has been taken
    reg [11:0] head = 0;                // where its next byte goes in the ring
    reg [11:0] taken = 0;               // its bytes so far, at most 4095

    // The run that is not answered yet: all bytes since the last match.
    reg [12:0] run = 0;                 // its length
    reg [11:0] first = 0;               // where it starts in the ring
    reg [12:0] rest = 0;                // what is left of its length to announce

    // The match being looked at, and the one held back, which may still grow.
    reg        matching = 0;
    reg [11:0] source = 0;              // where its next byte is in the ring
    reg        held = 0;
    reg [11:0] distance = 0;            // minus 1
    reg [5:0]  length = 0;

    assign in_ready = state == TAKE || (state == DROP && !ended);
    wire   take = in_valid && in_ready;
    wire   next = out_valid && out_ready;

    // The table: for each hash, where its three bytes were seen last, and four more bits of them.
    wire [9:0] hash = {b1[4:0] ^ in_data[4:0], b2[4:0] ^ {in_data[1:0], b1[7:5]}};
    wire [3:0] mark = b1[3:0] ^ {b2[6:5], in_data[6:5]} ^ {in_data[3:2], 2'b0};
    reg [15:0] places [0:1023];
    reg [15:0] seen;
    reg [3:0]  mark_of_three = 0;
    always @(posedge clk)
        if (take) begin
            seen <= places[hash];
            places[hash] <= {mark, head - 12'd2};
            mark_of_three <= mark;
        end
    // From the place seen to the head are the distance and the three bytes.
    wire [11:0] gap = head - seen[11:0];
    wire        three = run[12:2] != 0 || run[1:0] == 3;
    wire        useful = three && seen[15:12] == mark_of_three && gap[11:2] != 0 && gap <= taken;

    // The ring.
    reg [7:0]  ring [0:4095];
    reg [7:0]  found;
    reg [11:0] place;
    always @*
        case (state)
            LOOK: place = seen[11:0];
            TAKE, CHECK0, CHECK1: place = source;
            default: place = first + {11'b0, state == LITERALS && out_ready};
        endcase
    always @(posedge clk) begin
        if (take) ring[head] <= in_data;
        found <= ring[place];
    end

    // The answer.
    wire       short = run[12:2] == 0;
    wire [1:0] tail = short ? run[1:0] : 2'b0;
    wire       near = length <= 8 && !distance[11];
    always @* begin
        out_valid = 1;
        out_data = 8'h00;
        case (state)
            MATCH0: out_data = near ? {length[2:0] - 3'd1, distance[2:0], tail} : {3'b001, length[4:0] - 5'd2};
            MATCH1: out_data = near ? distance[10:3] : {distance[5:0], tail};
            MATCH2: out_data = {2'b0, distance[11:6]};
            RUN0: out_data = short ? 8'd17 + run[1:0] : run <= 18 ? {3'b0, run[4:0] - 5'd3} : 8'h00;
            RUN1: out_data = rest > 255 ? 8'h00 : rest[7:0];
            LITERALS: out_data = found;
            END0: out_data = 8'h11;
            END1, END2: ;
            default: out_valid = state == DROP && ended;
        endcase
    end
    assign out_last = state == END2 || state == DROP;

    task answer;  // what is due: the match held back, the run's length, its bytes
        state <= held ? MATCH0 : RUN0;
    endtask

    task reject;  // the newest three bytes are no match
        if (ended) answer;
        else state <= TAKE;
    endtask

    task check(input [7:0] wanted, input [4:0] good);
        if (found == wanted) begin
            state <= good;
            source <= source + 1;
        end else reject;
    endtask

    task announce;  // what comes after the match held back
        if (run == 0) state <= HOLD;
        else if (short) state <= LITERALS;
        else state <= RUN0;
    endtask

    task finish;
        begin
            state <= TAKE;
            ended <= 0;
            taken <= 0;
            run <= 0;
            first <= head;
            matching <= 0;
            held <= 0;
        end
    endtask

    always @(posedge clk) begin
        if (take) begin
            b0 <= b1;
            b1 <= b2;
            b2 <= in_data;
            ended <= in_last;
            head <= head + 1;
            if (taken != 12'hfff) taken <= taken + 1;
        end
        case (state)
            TAKE:
                if (in_valid) begin
                    if (matching) state <= EXTEND;
                    else if (run[12]) state <= DROP;
                    else begin
                        run <= run + 1;
                        state <= LOOK;
                    end
                end
            LOOK: begin
                source <= seen[11:0] + 1;
                if (useful) state <= CHECK0;
                else reject;
            end
            CHECK0: check(b0, CHECK1);
            CHECK1: check(b1, CHECK2);
            CHECK2:
                if (found == b2) begin
                    run <= run - 3;
                    matching <= 1;
                    answer;
                end else reject;
            MATCH0: if (next) state <= MATCH1;
            MATCH1:
                if (next) begin
                    if (near) announce;
                    else state <= MATCH2;
                end
            MATCH2: if (next) announce;
            RUN0: begin
                rest <= run - 18;
                if (next) state <= run <= 18 ? LITERALS : RUN1;
            end
            RUN1:
                if (next) begin
                    rest <= rest - 255;
                    if (rest <= 255) state <= LITERALS;
                end
            LITERALS:
                if (next) begin
                    first <= first + 1;
                    run <= run - 1;
                    if (run == 1) state <= HOLD;
                end
            HOLD: begin
                held <= 1;
                distance <= head - source - 1;
                length <= 3;
                matching <= !ended;
                if (!matching) state <= END0;
                else if (ended) state <= MATCH0;
                else state <= TAKE;
            end
            EXTEND: begin
                if (found == b2 && length != 33) begin
                    length <= length + 1;
                    source <= source + 1;
                    matching <= !ended;
                end else begin
                    matching <= 0;
                    run <= 1;
                    first <= head - 1;
                end
                reject;
            end
            END0: if (next) state <= END1;
            END1: if (next) state <= END2;
            END2: if (next) finish;
            DROP: if (next) finish;
            default: ;
        endcase
    end
endmodule
