/* Two requests in one object: it is gone after the second. */
#include "programs.h"

void start(void)
{
    pair *p = malloc(sizeof *p);
    if (!p)
        return;
    p->left = 2;
    cede_prep_read(&p->up, file, p->buffers[0], 64, 0);
    (void)cede_submit(loop, &p->up, on_up);
    cede_prep_read(&p->down, file, p->buffers[1], 64, 64);
    (void)cede_submit(loop, &p->down, on_down);
    CEDE_GONE(p);
}
