/* Objects of a static array, by index and by pointer. */
#include "programs.h"

static object objects[16];

void start(unsigned i)
{
    object *o = &objects[i % 16];
    cede_prep_read(&o->req, file, o->buffer, sizeof o->buffer, 0);
    (void)cede_submit(loop, &o->req, on_done);
    CEDE_GONE(o);
    note(objects[(i + 1) % 16].number);
}

void start_all(void)
{
    for (unsigned i = 0; i < 16; i++) {
        cede_prep_nop(&objects[i].req);
        (void)cede_submit(loop, &objects[i].req, on_done);
        CEDE_GONE(&objects[i]);
    }
    start(3);
}
