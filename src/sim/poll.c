/*
 * Readiness, as Linux's poll tells it. Those that wait for it are in one list of the world; whoever
 * unblocks what waits at a pipe or socket looks through it. Under the world's lock.
 */
#include "net.h"

static uint32_t of_ends(const sim_open *file)
{
    uint32_t events = 0;
    if (file->in && sim_pipe_can_read(file->in))
        events |= CEDE_POLL_IN;
    if (file->out && sim_pipe_can_write(file->out, 1))
        events |= CEDE_POLL_OUT;
    if (!file->socket && file->in && file->in->writers == 0)
        events |= CEDE_POLL_HANGUP;
    if (!file->socket && file->out && file->out->readers == 0)
        events |= CEDE_POLL_ERROR;
    return events;
}

static uint32_t of_socket(const sim_socket *socket)
{
    uint32_t events = 0;
    if (socket->kind == CEDE_KIND_DATAGRAM)
        return CEDE_POLL_OUT | (socket->packets ? CEDE_POLL_IN : 0);
    if (socket->kind == CEDE_KIND_LISTENER)
        return socket->first ? CEDE_POLL_IN : 0;
    if (!socket->out) /* shut down: a send would say so at once */
        events |= CEDE_POLL_OUT;
    if (socket->reset)
        events |= CEDE_POLL_IN | CEDE_POLL_ERROR;
    /* Over the network, a peer that has only ended what it sends may still receive. */
    if (socket->broken ||
        (!socket->other && (socket->own.family == CEDE_ADDRESS_LOCAL || !socket->out)))
        events |= CEDE_POLL_HANGUP;
    return events;
}

static uint32_t ready(const sim_work *work)
{
    const sim_open *file = work->file;
    uint32_t told = work->args.range.flags | CEDE_POLL_HANGUP | CEDE_POLL_ERROR;
    uint32_t events = of_ends(file) | (file->socket ? of_socket(file->socket) : 0);
    if (events & (CEDE_POLL_HANGUP | CEDE_POLL_ERROR)) /* neither would wait */
        events |= CEDE_POLL_IN | CEDE_POLL_OUT;
    return told & events;
}

bool sim_op_poll(cede_sim *world, sim_work *work)
{
    if (!work->file) {
        work->status = CEDE_EBADF;
        return true;
    }
    work->count = ready(work);
    return work->count ? true : sim_block(work, &world->polling);
}

void sim_poll_look(cede_sim *world)
{
    for (sim_work *work = world->polling.first, *next; work; work = next) {
        next = work->next;
        if (!ready(work))
            continue;
        sim_list_remove(work);
        sim_schedule(work, SIM_QUEUED);
    }
}
