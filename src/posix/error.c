/*
 * The table of errno and status. A number that is not in it has no portable name, on purpose; the
 * numbers are listed all the same, so that a reader sees that none was forgotten.
 */
#include "error.h"

#include <errno.h>

/* Rows by meaning. Some systems give two names one number (EAGAIN and EWOULDBLOCK, ENOTSUP and
 * EOPNOTSUPP, EDEADLK and EDEADLOCK): only one of each pair stands here. */
static const int16_t statuses[] = {
    [EPERM] = CEDE_EPERM,
    [ENOENT] = CEDE_ENOENT,
    [EINTR] = CEDE_REPORT_AGAIN,
    [EIO] = CEDE_EIO,
    [ENXIO] = CEDE_ENXIO,
    [EBADF] = CEDE_EBADF,
    [EAGAIN] = CEDE_EAGAIN,
    [ENOMEM] = CEDE_ENOMEM,
    [EACCES] = CEDE_EACCES,
    [EFAULT] = CEDE_EFAULT,
    [EBUSY] = CEDE_EBUSY,
    [EEXIST] = CEDE_EEXIST,
    [EXDEV] = CEDE_EXDEV,
    [ENODEV] = CEDE_ENODEV,
    [ENOTDIR] = CEDE_ENOTDIR,
    [EISDIR] = CEDE_EISDIR,
    [EINVAL] = CEDE_EINVAL,
    [ENFILE] = CEDE_ENFILE,
    [EMFILE] = CEDE_EMFILE,
    [ETXTBSY] = CEDE_ETXTBSY,
    [EFBIG] = CEDE_EFBIG,
    [ENOSPC] = CEDE_ENOSPC,
    [ESPIPE] = CEDE_ESPIPE,
    [EROFS] = CEDE_EROFS,
    [EMLINK] = CEDE_EMLINK,
    [EPIPE] = CEDE_EPIPE,
    [EDEADLK] = CEDE_EDEADLK,
    [ENAMETOOLONG] = CEDE_ENAMETOOLONG,
    [ENOSYS] = CEDE_ENOTSUP,
    [ENOTEMPTY] = CEDE_ENOTEMPTY,
    [ELOOP] = CEDE_ELOOP,
    [ETIME] = CEDE_ETIMEDOUT,
    [EOVERFLOW] = CEDE_EOVERFLOW,
    [EILSEQ] = CEDE_EINVAL, /* a name that the file system's encoding cannot hold */
    [EUSERS] = CEDE_EAGAIN, /* quotas: too many users */
    [EOPNOTSUPP] = CEDE_ENOTSUP,
#if ENOTSUP != EOPNOTSUPP
    [ENOTSUP] = CEDE_ENOTSUP,
#endif
    [ENOBUFS] = CEDE_ENOMEM,
    [ETIMEDOUT] = CEDE_ETIMEDOUT,
    [ECONNREFUSED] = CEDE_ECONNREFUSED,
    [EPROTOTYPE] = CEDE_ECONNREFUSED, /* a local name's socket is no listener, but for datagrams */
    [ECONNRESET] = CEDE_ECONNRESET,
    [ECONNABORTED] = CEDE_ECONNABORTED,
    [EPROTO] = CEDE_ECONNABORTED, /* what accept(2) says of a client that has left, too */
    [EHOSTUNREACH] = CEDE_EHOSTUNREACH,
    [ENETUNREACH] = CEDE_ENETUNREACH,
    [ENETDOWN] = CEDE_ENETDOWN,
    [ENETRESET] = CEDE_ECONNRESET,
    [EADDRINUSE] = CEDE_EADDRINUSE,
    [EADDRNOTAVAIL] = CEDE_EADDRNOTAVAIL,
    [ENOTCONN] = CEDE_ENOTCONN,
    [EMSGSIZE] = CEDE_EMSGSIZE,
    [EAFNOSUPPORT] = CEDE_ENOTSUP, /* IPv6 where there is none */
    [EPROTONOSUPPORT] = CEDE_ENOTSUP,
    [ENOPROTOOPT] = CEDE_ENOTSUP,
    [ENOTSOCK] = CEDE_EINVAL,
    [EDESTADDRREQ] = CEDE_EINVAL,
    [ESTALE] = CEDE_ESTALE,
    [EDQUOT] = CEDE_EDQUOT,
    [ENOEXEC] = CEDE_ENOEXEC,
    [E2BIG] = CEDE_E2BIG,
    [ECANCELED] = CEDE_ECANCELED,
#ifdef EREMOTEIO
    [EREMOTEIO] = CEDE_EIO,
#endif
#ifdef ENOMEDIUM
    [ENOMEDIUM] = CEDE_EIO,
#endif
#ifdef EMEDIUMTYPE
    [EMEDIUMTYPE] = CEDE_EIO,
#endif
#ifdef EUCLEAN
    [EUCLEAN] = CEDE_EIO, /* a file system that found itself damaged */
#endif
#ifdef EBADMSG
    [EBADMSG] = CEDE_EIO, /* a checksum that does not fit */
#endif

    /* No file, pipe or path operation that cede has means anything portable by these: processes
     * (ESRCH, ECHILD), memory ranges and terminals (ENOTBLK, ENOTTY, EDOM,
     * ERANGE), locks (ENOLCK), System V messages and streams (ENOMSG, EIDRM, ECHRNG to EL2HLT,
     * EBADE to EBFONT, ENOSTR, ENODATA, ENOSR, ENONET, ENOPKG, EREMOTE, ENOLINK, EADV, ESRMNT,
     * ECOMM, EMULTIHOP, EDOTDOT, ENOTUNIQ, EBADFD, EREMCHG), shared libraries (ELIBACC to
     * ELIBEXEC), restarts and pipes of System V (ERESTART, ESTRPIPE), sockets
     * (ESOCKTNOSUPPORT, EPFNOSUPPORT, EISCONN to ETOOMANYREFS, EHOSTDOWN, EALREADY, EINPROGRESS),
     * Xenix (ENOTNAM, ENAVAIL, EISNAM), keys (ENOKEY to EKEYREJECTED), robust locks (EOWNERDEAD,
     * ENOTRECOVERABLE), radio and hardware (ERFKILL, EHWPOISON). They are CEDE_EUNKNOWN, with the
     * number in os_error. */
};

cede_status cedi_error_status(int error)
{
    unsigned number = error < 0 ? 0u - (unsigned)error : (unsigned)error;
    if (number == 0)
        return CEDE_OK;
    if (number >= 512 && number <= 516)
        return CEDE_REPORT_AGAIN;
    if (number >= sizeof statuses / sizeof statuses[0] || statuses[number] == 0)
        return CEDE_EUNKNOWN;
    return statuses[number];
}

cede_status cedi_error_final(int error)
{
    cede_status status = cedi_error_status(error);
    return status == CEDE_REPORT_AGAIN ? CEDE_EAGAIN : status;
}
