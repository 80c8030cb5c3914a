/*
 * cede-race: a network that is made up. The world has a machine that answers, one that refuses and
 * one that is a black hole; whichever an address stands for, its connect is held in the simulated
 * kernel until its time has come. Time is virtual: an hour of it takes none.
 */
#include "cede-race.h"
#include "cede/sim.h"

#include <stdlib.h>
#include <string.h>

enum { ANSWERS = 1, REFUSES, LOST };

typedef struct fate {
    cede_address shown;
    int what;
    uint64_t after_ns;
    cede_req timer;
    uint32_t hold;
} fate;

static fate fates[2 * ADDRESSES_MOST];
static unsigned count;
static cede_sim *world;
static cede_loop *sim_loop;

bool sim_add(const char *word, cede_address *shown)
{
    const char *equals = strchr(word, '=');
    fate *f = &fates[count];
    char address[CEDE_ADDRESS_TEXT], *end = address;
    if (!equals || (size_t)(equals - word) >= sizeof address || count == 2 * ADDRESSES_MOST)
        return false;
    memcpy(address, word, (size_t)(equals - word));
    address[equals - word] = '\0';
    equals++;
    f->what = strcmp(equals, "lost") == 0           ? LOST
              : strncmp(equals, "refused@", 8) == 0 ? REFUSES
                                                    : ANSWERS;
    if (f->what != LOST) {
        const char *number = equals + (f->what == REFUSES ? 8 : 0);
        f->after_ns = strtoul(number, &end, 10) * CEDE_MILLISECOND;
        if (end == number || *end)
            return false;
    }
    if (cede_address_parse(address, 443, &f->shown) || f->shown.family == CEDE_ADDRESS_LOCAL)
        return false;
    *shown = f->shown;
    count++;
    return true;
}

static void on_listening(cede_req *req, cede_result r)
{
    *(cede_status *)req->user_data = r.status;
}

cede_status sim_open(cede_loop **loop)
{
    cede_sim_config polite = {.latency_min_ns = 1000, .latency_max_ns = 1000};
    world = cede_sim_new(&polite);
    cede_sim_config config = {.world = world};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
    cede_address at = cede_ipv4(127, 0, 0, 1, ANSWERS);
    cede_status status = world ? cede_loop_open(&options, loop) : CEDE_ENOMEM;
    cede_req req = {.user_data = &status};
    if (status)
        return status;
    sim_loop = *loop;
    cede_prep_listen(&req, &at, 0, 0); /* the loop closes it */
    cede_wait(*loop, cede_submit(*loop, &req, on_listening), CEDE_FOREVER);
    return status;
}

static void on_time(cede_req *req, cede_result r)
{
    if (r.status == CEDE_OK)
        cede_sim_release(world, CEDE_CONTAINER(req, fate, timer)->hold);
}

void sim_prep_connect(cede_req *req, const cede_address *shown)
{
    cede_sim_target next = {.op = CEDE_OP_CONNECT, .most = 1};
    cede_address to = cede_ipv4(127, 0, 0, 1, ANSWERS);
    fate *f = fates;
    while (!cede_address_equal(&f->shown, shown))
        f++;
    if (f->what == LOST)
        to = cede_ipv4(192, 0, 2, 1, LOST);
    to.port = (uint16_t)f->what;
    cede_prep_connect(req, &to, 0);
    if (f->what == LOST || f->after_ns == 0)
        return;
    f->hold = cede_sim_hold(world, &next, CEDE_SIM_AT_START);
    cede_prep_timer(&f->timer, f->after_ns);
    cede_background(&f->timer); /* nobody waits for what comes too late */
    cede_submit(sim_loop, &f->timer, on_time);
}

void sim_close(void)
{
    cede_sim_free(world);
}
