/*
 * Sockets by calls that do not block: making, binding, naming, options. What waits (connect,
 * accept, transfers) is the backend's. Stateless; any thread.
 *
 * Results: 0 or a descriptor where one is made, else a negated errno.
 */
#ifndef CEDE_POSIX_NET_H
#define CEDE_POSIX_NET_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cede/backend.h"
#include "cede/net.h"

typedef union cedi_sockaddr {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
} cedi_sockaddr;

/* How long it is; 0 for one that has no form here. */
socklen_t cedi_net_to_system(const cede_address *, cedi_sockaddr *);
void cedi_net_from_system(const cedi_sockaddr *, socklen_t, cede_address *);

/* A socket for this address; SOCK_STREAM or SOCK_DGRAM. */
int cedi_net_socket(const cede_address *, int type);
int cedi_net_listen(const cede_args *);
int cedi_net_datagram(const cede_args *);
int cedi_net_pair(uint32_t what, int natives[2]);
int cedi_net_group(int fd, const cede_args *);
/* Fills *out; it is written here alone. */
int cedi_net_name(int fd, uint32_t which, cede_address *out);
/* A connect to where nobody listens succeeds if the socket's own port happens to be the one it is
 * to go to: by TCP's simultaneous open (RFC 9293, 3.5). */
bool cedi_net_met_itself(int fd, const cede_address *to);
int cedi_net_set_option(int fd, uint32_t option, int64_t value);
int cedi_net_get_option(int fd, uint32_t option, int64_t *value);
/* A CEDE_KIND_ of a socket. */
int cedi_net_kind(int fd, uint32_t *kind);
/* Of what was made elsewhere, and may be a stream or listener that lingers. */
void cedi_net_imported(int fd);
/* Whether a close might wait for unsent data: of a stream whose options were set here, or which was
 * imported or accepted with them. */
bool cedi_net_lingers(int fd);
/* Closes a descriptor of any kind and waits for nothing: what lingers is sent behind the scenes. */
void cedi_net_close_now(int fd);

#endif
