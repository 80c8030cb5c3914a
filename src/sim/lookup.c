/*
 * Names of hosts: a table of the world's. Under the world's lock.
 */
#include "net.h"

#include <ctype.h>
#include <stdlib.h>

struct sim_host {
    struct sim_host *next;
    char *name;
    uint32_t count; /* 0: it is known, and has none */
    cede_address address[];
};

static bool ended(sim_work *work, cede_status status)
{
    work->status = status;
    return true;
}

/* ---- The table ------------------------------------------------------------------------------- */

/* Small and capital letters are the same to DNS. */
static bool same_name(const char *a, const char *b)
{
    while (*a && tolower((unsigned char)*a) == tolower((unsigned char)*b)) {
        a++;
        b++;
    }
    return *a == *b;
}

static struct sim_host **find(cede_sim *world, const char *name)
{
    struct sim_host **at = &world->hosts;
    while (*at && !same_name((*at)->name, name))
        at = &(*at)->next;
    return at;
}

static void forget(struct sim_host **at)
{
    struct sim_host *host = *at;
    *at = host->next;
    free(host->name);
    free(host);
}

cede_status sim_host_put(cede_sim *world, const char *name, const cede_address *address,
                         uint32_t count)
{
    size_t bytes = strlen(name) + 1;
    struct sim_host *host = malloc(sizeof *host + count * sizeof *address);
    char *copy = malloc(bytes);
    if (!host || !copy) {
        free(host);
        free(copy);
        return CEDE_ENOMEM;
    }
    memcpy(copy, name, bytes);
    host->name = copy;
    host->count = count;
    for (uint32_t i = 0; i < count; i++)
        host->address[i] = address[i];
    struct sim_host **at = find(world, name);
    if (*at)
        forget(at);
    host->next = world->hosts;
    world->hosts = host;
    return CEDE_OK;
}

cede_status cede_sim_name(cede_sim *world, const char *name, const cede_address *address,
                          uint32_t count)
{
    if (!name || !name[0] || (count && !address))
        return CEDE_EINVAL;
    for (uint32_t i = 0; i < count; i++) {
        if (address[i].family != CEDE_ADDRESS_IPV4 && address[i].family != CEDE_ADDRESS_IPV6)
            return CEDE_EINVAL;
    }
    sim_lock(world);
    cede_status status = sim_host_put(world, name, address, count);
    sim_unlock(world);
    return status;
}

void sim_hosts_free(cede_sim *world)
{
    while (world->hosts)
        forget(&world->hosts);
}

/* ---- Looking up ------------------------------------------------------------------------------ */

static bool is_wanted(const cede_address *address, uint32_t flags)
{
    uint32_t family = address->family == CEDE_ADDRESS_IPV4 ? CEDE_LOOKUP_IPV4 : CEDE_LOOKUP_IPV6;
    return flags == 0 || (flags & family);
}

bool sim_op_lookup(cede_sim *world, sim_work *work)
{
    const cede_args *args = &work->args;
    uint16_t port = (uint16_t)args->path.mode;
    const struct sim_host *host = *find(world, args->path.path);
    cede_address *out = args->path.out;
    for (uint32_t i = 0; host && i < host->count; i++) {
        if (!is_wanted(&host->address[i], args->path.flags))
            continue;
        if (work->count < args->path.length_bytes) {
            out[work->count] = host->address[i];
            out[work->count].port = port;
        }
        work->count++;
    }
    return ended(work, work->count ? CEDE_OK : CEDE_ENONAME);
}
