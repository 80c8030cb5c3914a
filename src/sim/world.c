/*
 * Worlds: settings, making, freeing, the clock, counts. A world outlives its loops and its
 * descriptors' numbers outlive it (native.c).
 */
#include "child.h"

#include <stdlib.h>

void sim_lock(cede_sim *world)
{
    /* Held for microseconds, and never while somebody sleeps. */
    while (atomic_flag_test_and_set_explicit(&world->lock, memory_order_acquire))
        cede_os_yield();
}

void sim_unlock(cede_sim *world)
{
    atomic_flag_clear_explicit(&world->lock, memory_order_release);
}

void sim_poke(cede_sim *world)
{
    for (sim_loop *loop = world->loops; loop; loop = loop->next) {
        if (loop->sleeping)
            cede_os_gate_open(loop->gate);
    }
}

/* ---- Settings -------------------------------------------------------------------------------- */

static void fill_defaults(cede_sim_config *config)
{
    if (config->latency_min_ns == 0 && config->latency_max_ns == 0) {
        config->latency_min_ns = CEDE_MICROSECOND;
        config->latency_max_ns = 50 * CEDE_MICROSECOND;
    }
    if (config->latency_max_ns < config->latency_min_ns)
        config->latency_max_ns = config->latency_min_ns;
    if (config->latency_max_ns - config->latency_min_ns == UINT64_MAX)
        config->latency_max_ns--;
    if (config->turn_ns == 0)
        config->turn_ns = CEDE_MICROSECOND;
    if (config->look_ns == 0)
        config->look_ns = 100;
    if (config->disk_bytes == 0)
        config->disk_bytes = UINT64_C(1) << 40;
    if (config->file_bytes == 0)
        config->file_bytes = (UINT64_C(1) << 44) - SIM_PAGE;
    if (config->file_bytes > INT64_MAX)
        config->file_bytes = INT64_MAX;
}

cede_sim_config cede_sim_rough(uint64_t seed)
{
    return (cede_sim_config){
        .seed = seed,
        .immediate_permille = 150,
        .late_permille = 200,
        .batch_permille = 300,
        .short_permille = 300,
        .again_permille = 100,
        .poll_permille = 100,
        .park_permille = 30,
        .overtake_permille = 300,
        .cancel_lose_permille = 300,
        .cancel_again_permille = 200,
        .cancel_lost_permille = 200,
        .cancel_never_permille = 50,
        .refuse_permille = 200,
    };
}

/* ---- Making and freeing ---------------------------------------------------------------------- */

static bool furnish(cede_sim *world)
{
    const cede_address here[] = {cede_address_loopback(CEDE_ADDRESS_IPV6, 0),
                                 cede_address_loopback(CEDE_ADDRESS_IPV4, 0)};
    sim_node *tmp, *dev, *null;
    world->path = malloc(SIM_WALK_BYTES);
    world->root = sim_node_new(world, CEDE_FILE_DIRECTORY, 0755);
    if (!world->path || !world->root)
        return false;
    world->root->parent = world->root;
    world->root->links = 2;
    tmp = sim_node_new(world, CEDE_FILE_DIRECTORY, 01777);
    dev = sim_node_new(world, CEDE_FILE_DIRECTORY, 0755);
    null = sim_node_new(world, CEDE_FILE_CHARACTER, 0666);
    return tmp && dev && null && sim_dir_put(world->root, "tmp", 3, tmp) == CEDE_OK &&
           sim_dir_put(world->root, "dev", 3, dev) == CEDE_OK &&
           sim_dir_put(dev, "null", 4, null) == CEDE_OK &&
           sim_host_put(world, "localhost", here, 2) == CEDE_OK;
}

cede_sim *sim_new_scripted(const cede_sim_config *config, sim_script *script)
{
    cede_sim *world = calloc(1, sizeof *world);
    if (!world)
        return NULL;
    atomic_flag_clear(&world->lock);
    if (config)
        world->config = *config;
    world->config.world = NULL;
    fill_defaults(&world->config);
    world->random = world->config.seed;
    world->script = script;
    world->outside.world = world;
    /* Not 0: a program that takes 0 for "no time" is to be found out elsewhere. */
    world->now_ns = CEDE_SECOND;
    if (!furnish(world)) {
        (void)cede_sim_free(world);
        return NULL;
    }
    return world;
}

cede_sim *cede_sim_new(const cede_sim_config *config)
{
    return sim_new_scripted(config, NULL);
}

cede_status cede_sim_free(cede_sim *world)
{
    if (!world)
        return CEDE_OK;
    sim_lock(world);
    if (world->loops) {
        sim_unlock(world);
        return CEDE_EBUSY;
    }
    sim_children_free(world);
    while (world->opens) {
        if (world->opens->native)
            sim_open_close(world->opens);
        else
            sim_open_release(world->opens); /* cannot be: no work is left to use it */
    }
    sim_unlock(world);
    sim_native_retire(world);
    while (world->nodes)
        sim_node_free(world->nodes);
    while (world->pipes) {
        cede_sim_pipe *pipe = world->pipes;
        world->pipes = pipe->next;
        sim_pipe_free(pipe);
    }
    sim_holds_free(world);
    sim_hosts_free(world);
    sim_programs_free(world);
    sim_works_free(world);
    free(world->path);
    free(world);
    return CEDE_OK;
}

/* ---- Looking in ------------------------------------------------------------------------------ */

uint64_t cede_sim_now(cede_sim *world)
{
    sim_lock(world);
    uint64_t now = world->now_ns;
    sim_unlock(world);
    return now;
}

void cede_sim_advance(cede_sim *world, uint64_t ns)
{
    sim_lock(world);
    uint64_t until = sim_later(world->now_ns, ns);
    while (sim_step(world, until, true))
        continue;
    if (world->now_ns < until)
        world->now_ns = world->now_most_ns = until;
    sim_note(world, SIM_JUMP, NULL, ns);
    sim_poke(world);
    sim_unlock(world);
}

void cede_sim_limit_open(cede_sim *world, uint32_t open_most)
{
    sim_lock(world);
    world->config.open_most = open_most;
    sim_unlock(world);
}

uint64_t cede_sim_hash(cede_sim *world)
{
    sim_lock(world);
    uint64_t hash = world->hash;
    sim_unlock(world);
    return hash;
}

static void count_one(sim_work *work, void *context)
{
    cede_sim_counts *counts = context;
    switch ((enum sim_phase)work->phase) {
    case SIM_QUEUED:
        counts->queued++;
        break;
    case SIM_BLOCKED:
        counts->blocked++;
        break;
    case SIM_FROZEN:
        counts->frozen++;
        break;
    case SIM_MIDWAY:
        counts->midway++;
        break;
    case SIM_SEALED:
    case SIM_DONE:
        counts->sealed++;
        break;
    case SIM_FREE:
        break;
    }
}

void cede_sim_count(cede_sim *world, cede_sim_counts *out)
{
    sim_lock(world);
    *out = world->counts;
    out->in_flight = world->in_flight;
    out->open = world->open_count;
    sim_each(world, count_one, out);
    sim_unlock(world);
}
