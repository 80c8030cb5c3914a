/* A chain that leads back to itself would cede a request twice: it is stopped like any that is
 * linked while in flight (law 17), and did call its first done twice. */
#include "fake.h"

static void ring(unsigned first, bool remote)
{
    static fake backend;
    static note chain[3];
    cede_loop *loop = fake_loop(&backend);
    for (unsigned i = 0; i < 3; i++)
        cede_prep_nop(&chain[i].req);
    for (unsigned i = 0; i < 3; i++)
        cede_link(&chain[i].req, &chain[i < 2 ? i + 1 : first].req, note_done);
    if (remote)
        cede_submit_remote(loop, &chain[0].req, note_done, NULL);
    else
        cede_submit(loop, &chain[0].req, note_done);
    (void)cede_run(loop, CEDE_FOREVER);
}

REGRESSION(chain_leads_nowhere_twice)
{
    static const char *const acts[] = {"0", "1", "remote"};
    if (regression_act) {
        ring((unsigned)atoi(regression_act), regression_act[0] == 'r');
        return 0;
    }
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        CHECK(regression_breaks_off(acts[i]));
    return 0;
}
