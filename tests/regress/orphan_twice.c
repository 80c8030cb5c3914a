/* A request that found no slot and is submitted again before its done stops the process, like any
 * other that is in flight (law 17). */
#include "orphans.h"

int main(int argc, char **argv)
{
    if (argc > 1) {
        static fake backend;
        static note one;
        cede_loop *loop;
        use_short_memory();
        loop = fake_loop(&backend);
        fill_slots(loop, 0);
        cede_prep_nop(&one.req);
        cede_submit(loop, &one.req, note_done);
        cede_submit(loop, &one.req, note_done);
        return 0;
    }
    CHECK(port_breaks_off(argv[0], "twice"));
    return 0;
}
