/*
 * How much one call is asked to move. The loop's thread.
 *
 * Into a pipe no more than its quota, see file.c. Else nearly 2 GiB, until the system says that it
 * has no room. That may be so just now, or always for so much at once, which it does not tell apart
 * (docs/facts-windows.md). So the handle's next calls are asked for an eighth: the fourth try,
 * which is the last one where nothing else is in flight (law 15), asks for little. Each that moves
 * all of it lets the next move twice as much.
 */
#include "win.h"

#define LEAST_BYTES WIN_ALIGNMENT /* and what it is a multiple of, for unbuffered files */

bool cedi_win_lacks_room(bool writes, uint32_t error, uint64_t bytes)
{
    return bytes == 0 && (cedi_error_is_shortage(error) || (writes && error == ERROR_MORE_DATA));
}

uint32_t cedi_win_most_at_once(const win_file *file, bool writes, uint64_t length)
{
    uint64_t most = WIN_ROUND_BYTES;
    if (writes && file->quota)
        most = file->quota;
    if (file->most && file->most < most)
        most = file->most;
    return (uint32_t)(length < most ? length : most);
}

void cedi_win_size_learn(win_file *file, bool writes, uint32_t asked, uint32_t error,
                         uint64_t bytes)
{
    if (asked && cedi_win_lacks_room(writes, error, bytes)) {
        file->most = asked / 8 / LEAST_BYTES * LEAST_BYTES;
        if (file->most == 0)
            file->most = LEAST_BYTES;
    } else if (file->most && error == 0 && bytes >= file->most) {
        file->most = file->most < WIN_ROUND_BYTES / 2 ? file->most * 2 : 0;
    }
}
