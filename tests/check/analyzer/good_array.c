/* An array from the heap, ceded as a whole: its requests share one life. */
#include "programs.h"

void start(unsigned count)
{
    object *objects = calloc(count, sizeof *objects);
    if (!objects)
        return;
    for (unsigned i = 0; i < count; i++) {
        cede_prep_read(&objects[i].req, file, objects[i].buffer, sizeof objects[i].buffer, 0);
        (void)cede_submit(loop, &objects[i].req, on_done);
    }
    CEDE_GONE(objects);
}
