/*
 * See lookup.h. getaddrinfo(3) sorts by RFC 6724.
 */
#include "lookup.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>

#include "error.h"
#include "net.h"

void cedi_lookup_ask(cedi_lookup *self, const cede_args *args)
{
    (void)strncpy(self->host, args->path.path, sizeof self->host - 1);
    self->host[sizeof self->host - 1] = '\0';
    self->flags = args->path.flags;
    self->error = self->number = 0;
    self->found = NULL;
}

/* Without a descriptor for its files glibc has it that no host has any name. */
static bool is_shortage(int number)
{
    return number == EMFILE || number == ENFILE || number == ENOMEM;
}

/* Of streams only, or each address comes once for every kind of socket. */
void cedi_lookup_perform(cedi_lookup *self)
{
    uint32_t families = self->flags & CEDE_LOOKUP_ANY;
    struct addrinfo wanted = {.ai_family = families == CEDE_LOOKUP_IPV4   ? AF_INET
                                           : families == CEDE_LOOKUP_IPV6 ? AF_INET6
                                                                          : AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM};
    self->found = NULL;
    errno = 0;
    self->error = getaddrinfo(self->host, NULL, &wanted, &self->found);
    self->number = 0;
    if (self->error)
        self->found = NULL;
    if (self->error == EAI_SYSTEM || (self->error && is_shortage(errno)))
        self->number = errno;
}

void cedi_lookup_free(cedi_lookup *self)
{
    if (self->found)
        freeaddrinfo(self->found);
    self->found = NULL;
}

/* Rows by meaning; others are unknown, with their number. EAI_FAIL is a server that will not answer
 * at all: to the caller, none did. */
static cede_status status_of(int error, int number)
{
    if (number)
        return cedi_error_final(number);
    switch (error) {
    case 0:
        return CEDE_OK;
    case EAI_NONAME:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
        return CEDE_ENONAME;
    case EAI_AGAIN:
    case EAI_FAIL:
    case EAI_SYSTEM:
        return CEDE_EAGAIN;
    case EAI_MEMORY:
        return CEDE_ENOMEM;
    case EAI_FAMILY:
        return CEDE_ENOTSUP;
    case EAI_OVERFLOW:
        return CEDE_EINVAL; /* no host has so long a name */
    default:
        return CEDE_EUNKNOWN;
    }
}

static bool is_wanted(const cedi_lookup *self, int family)
{
    uint32_t families = self->flags & CEDE_LOOKUP_ANY;
    if (family == AF_INET)
        return families != CEDE_LOOKUP_IPV6;
    return family == AF_INET6 && families != CEDE_LOOKUP_IPV4;
}

cede_status cedi_lookup_tell(const cedi_lookup *self, const cede_args *args, int32_t *os_error,
                             uint64_t *count)
{
    cede_address *out = args->path.out;
    *count = 0;
    *os_error = self->number ? self->number : self->error;
    for (const struct addrinfo *at = self->found; at; at = at->ai_next) {
        cedi_sockaddr name;
        cede_address address;
        if (!is_wanted(self, at->ai_family) || at->ai_addrlen > sizeof name)
            continue;
        memcpy(&name, at->ai_addr, at->ai_addrlen);
        cedi_net_from_system(&name, at->ai_addrlen, &address);
        address.port = (uint16_t)args->path.mode;
        if (*count < args->path.length_bytes)
            out[*count] = address;
        ++*count;
    }
    return self->error || *count ? status_of(self->error, self->number) : CEDE_ENONAME;
}
