/*
 * cede: asynchronous I/O whose lifetime rules cannot be got wrong.
 *
 * You cede a request to a loop; you get it back exactly once, in its callback; that callback owns
 * it from its first line to the final free. Cancelling does not revoke a completion.
 *
 *     static void on_read(cede_req *req, cede_result r)   // owns req and buffer from here
 *     {
 *         printf("%s, %llu bytes\n", cede_strerror(r.status), (unsigned long long)r.count);
 *     }
 *
 *     cede_prep_read(&req, file, buffer, sizeof buffer, 0);
 *     cede_within(&req, 2 * CEDE_SECOND);
 *     cede_ticket ticket = cede_submit(loop, &req, on_read);   // req and buffer are ceded
 *     cede_cancel(ticket);                                     // a wish; on_read still comes
 *     cede_run(loop, CEDE_FOREVER);
 *
 * This is the header to include. It takes the whole API in, one subject a header:
 *
 *     types.h     status, result, ticket, handle, flags, version
 *     req.h       the request, its attributes, and the preparations that need no handle
 *     file.h      preparations for files, pipes, terminals, directories and paths
 *     net.h       preparations for sockets: streams, listeners, datagrams
 *     system.h    preparations for signals, child processes, watches, foreign descriptors
 *     address.h   addresses: make, parse, print
 *     pool.h      pools of buffers, picked when data is there
 *     relay.h     stream to stream
 *     loop.h      loops: open, submit, run, wait, stop, close; cancel and the other wishes
 *     handle.h    handles: import, release, drop, own
 *     check.h     help for tools: CEDE_GONE for the static analyzer, guarded memory
 *
 * Apart are sim.h, uring.h and win32.h (what is to be set of each backend: simulated, Linux',
 * Windows') and backend.h (the seam, for those who write one).
 *
 * To link without CMake or pkg-config: -lcede; with a static library of Linux also -luring
 * -lpthread, of Windows also ws2_32 (-lws2_32, ws2_32.lib).
 *
 * "Law n" in a comment refers to docs/contract.md. No header here includes an operating system's.
 */
#ifndef CEDE_CEDE_H
#define CEDE_CEDE_H

#include "cede/types.h"
#include "cede/req.h"
#include "cede/file.h"
#include "cede/net.h"
#include "cede/system.h"
#include "cede/pool.h"
#include "cede/loop.h"
#include "cede/relay.h"
#include "cede/handle.h"
#include "cede/check.h"

#endif
