/* SPDX-License-Identifier: Apache-2.0 */
/* The stream shell around a fabric: moves bytes by its handshake, one clock cycle at a time. The clock is high at
 * power-up; inputs change after its rising edge.
 *
 * Included at the end of every emitted fabric, which defines rise(), fall(), power_up(), set_inputs() and the outputs.
 */

enum { NEEDS_INPUT = 0, ANSWERED = 1, OUTPUT_FULL = 2, OUT_OF_CYCLES = 3, SILENT = 4 };

static unsigned taken;             /* the last byte of the message has been taken */
static unsigned answered;          /* the last byte of its answer has been given */
static unsigned long long silence; /* cycles since a byte moved last */

void fabric_reset(void)
{
    taken = answered = 0;
    silence = 0;
    power_up();
}

/* Clock the fabric until it needs input, has answered the message, has filled `out`, has used `cycles`, or has moved
 * no byte for more than `limit` cycles; say which. `final`: the last byte of `in` is the last one of the message.
 * *used, *made: bytes taken from `in` and put into `out`. *spent: cycles, this time.
 */
int fabric_run(const unsigned char *in, unsigned long long count, unsigned final, unsigned long long *used,
               unsigned char *out, unsigned long long room, unsigned long long *made,
               unsigned long long cycles, unsigned long long limit, unsigned long long *spent)
{
    unsigned long long i = 0, o = 0, c = 0;
    int why = OUT_OF_CYCLES;
    while (c < cycles) {
        unsigned valid, ready, moved;
        if (i == count && !taken) {
            why = NEEDS_INPUT;
            break;
        }
        if (o == room) {
            why = OUTPUT_FULL;
            break;
        }
        valid = !taken;
        ready = !answered;
        set_inputs(valid ? in[i] : 0, valid, valid && final && i + 1 == count, ready);
        fall();
        rise();
        c++;
        moved = 0;
        if (valid && in_ready) {
            moved = 1;
            i++;
            if (final && i == count)
                taken = 1;
        }
        if (ready && out_valid) {
            moved = 1;
            out[o++] = out_data;
            answered = out_last;
        }
        if (moved) {
            silence = 0;
        } else if (++silence > limit) {
            why = SILENT;
            break;
        }
        if (taken && answered) {
            taken = answered = 0;
            why = ANSWERED;
            break;
        }
    }
    *used = i;
    *made = o;
    *spent = c;
    return why;
}
