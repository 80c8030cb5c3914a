/*
 * The vocabulary: status, result, ticket, handle, time, version.
 *
 * Everything here is a plain value. Values may be copied, compared, kept for ever and passed
 * between threads; a stale one is harmless. Pointers move with ownership; names may be kept.
 */
#ifndef CEDE_TYPES_H
#define CEDE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(CEDE_SHARED) && defined(_WIN32)
#ifdef CEDE_BUILDING
#define CEDE_API __declspec(dllexport)
#else
#define CEDE_API __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define CEDE_API __attribute__((visibility("default")))
#else
#define CEDE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The version of these headers: major * 1000000 + minor * 1000 + patch. cede_loop_open compares it
 * with the library's and refuses (CEDE_EVERSION) when the layouts cannot agree: another major, and
 * before 1.0 another minor. */
#define CEDE_VERSION      1000u
#define CEDE_VERSION_TEXT "0.1.0"

/* The library's own version, as a number like CEDE_VERSION. Any thread. */
CEDE_API uint32_t cede_version(void);

/* ---- Status -------------------------------------------------------------------------------- */

/*
 * One table of portable status codes: name, value, text. 0 is success, every failure is negative.
 * The same event has the same code on every backend (law 16); cede_result.os_error keeps the
 * system's own number beside it. Values are part of the ABI and are never reused.
 */
#define CEDE_STATUS_TABLE(X)                                             \
    X(OK, 0, "success")                                                  \
    X(ECANCELED, -1, "cancelled; nothing was consumed or changed")       \
    X(EDEADLINE, -2, "the request's deadline passed")                    \
    X(EENDED, -3, "the scope or loop has ended")                         \
    X(EINVAL, -4, "invalid argument")                                    \
    X(EBADF, -5, "no such handle, or it is closed")                      \
    X(ENOTSUP, -6, "not supported here")                                 \
    X(ENOMEM, -7, "out of memory")                                       \
    X(EDEADLK, -8, "waiting would wait for the caller itself")           \
    X(EEOF, -9, "the data ended before the transfer was whole")          \
    X(EVERSION, -10, "headers and library do not match")                 \
    X(EUNKNOWN, -11, "an error that has no portable name; see os_error") \
    X(EPERM, -12, "operation not permitted")                             \
    X(EACCES, -13, "permission denied")                                  \
    X(ENOENT, -14, "no such file or directory")                          \
    X(EEXIST, -15, "the file exists already")                            \
    X(ENOTDIR, -16, "not a directory")                                   \
    X(EISDIR, -17, "is a directory")                                     \
    X(ENOTEMPTY, -18, "the directory is not empty")                      \
    X(EMFILE, -19, "the process has too many open descriptors")          \
    X(ENFILE, -20, "the system has too many open files")                 \
    X(ENOSPC, -21, "no space left on the device")                        \
    X(EDQUOT, -22, "the disk quota is used up")                          \
    X(EFBIG, -23, "the file would be too large")                         \
    X(EIO, -24, "input/output error")                                    \
    X(EPIPE, -25, "the other end of the pipe is gone")                   \
    X(EROFS, -26, "the file system is read-only")                        \
    X(EXDEV, -27, "not on the same file system")                         \
    X(EBUSY, -28, "the resource is busy")                                \
    X(ENAMETOOLONG, -29, "the name is too long")                         \
    X(ELOOP, -30, "too many symbolic links")                             \
    X(EMLINK, -31, "too many links")                                     \
    X(EAGAIN, -32, "temporarily out of resources")                       \
    X(EFAULT, -33, "a buffer or path lies outside the address space")    \
    X(ENXIO, -34, "no such device, or nobody at the other end")          \
    X(ENODEV, -35, "the device does not do that")                        \
    X(ESPIPE, -36, "the handle has no positions")                        \
    X(ETXTBSY, -37, "the file is being executed")                        \
    X(ESTALE, -38, "the file is no longer known to its server")          \
    X(ETIMEDOUT, -39, "the system's own time limit passed")              \
    X(EOVERFLOW, -40, "a value is too large for its type")               \
    X(ECONNREFUSED, -41, "nobody listens there")                         \
    X(ECONNRESET, -42, "the peer broke the connection off")              \
    X(ECONNABORTED, -43, "the connection was broken off by this system") \
    X(EHOSTUNREACH, -44, "the host cannot be reached")                   \
    X(ENETUNREACH, -45, "the network cannot be reached")                 \
    X(ENETDOWN, -46, "the network is down")                              \
    X(EADDRINUSE, -47, "the address is in use")                          \
    X(EADDRNOTAVAIL, -48, "the address is not this machine's")           \
    X(ENOTCONN, -49, "not connected")                                    \
    X(EMSGSIZE, -50, "the message is too large")                         \
    X(ENONAME, -51, "no host has that name")                             \
    X(ENOEXEC, -52, "the file is no program that runs here")             \
    X(E2BIG, -53, "the arguments are too long")

typedef int32_t cede_status;

enum {
#define CEDE_STATUS_ENUM(name, value, text) CEDE_##name = (value),
    CEDE_STATUS_TABLE(CEDE_STATUS_ENUM)
#undef CEDE_STATUS_ENUM
};

/* A sentence for a status, without a full stop. Static memory; never NULL. Any thread. */
CEDE_API const char *cede_strerror(cede_status);

/* The name of a status ("CEDE_ECANCELED"). Static memory; never NULL. Any thread. */
CEDE_API const char *cede_status_name(cede_status);

/* ---- Names: tickets and handles ------------------------------------------------------------ */

/* Names one submission of one request, for ever: generations do not wrap, so a ticket can never
 * reach a later request, even in the same memory (law 6). {0, 0} names nothing. */
typedef struct cede_ticket {
    uint64_t id;
    uint64_t generation;
} cede_ticket;

/* Names an open file, pipe, terminal, directory, socket, child process or watch in this process; 0
 * is none. */
typedef uint64_t cede_handle;

/* ---- Time ---------------------------------------------------------------------------------- */

/* All times are 64-bit nanoseconds. Absolute ones count on the loop's clock (cede_now). */
#define CEDE_FOREVER     UINT64_MAX
#define CEDE_MICROSECOND UINT64_C(1000)
#define CEDE_MILLISECOND UINT64_C(1000000)
#define CEDE_SECOND      UINT64_C(1000000000)

/* ---- Result -------------------------------------------------------------------------------- */

/* Why a request ended before its time: at most one CEDE_BY_ flag, the first recorded on the loop's
 * thread (law 7). CEDE_CANCEL_ASKED may stand beside any status, success too: one of these causes
 * was recorded while it was under way, before the outcome was sealed. What came between that and
 * done is not told. They need not come together: who is refused from the first by a scope or loop
 * that has ended (CEDE_EENDED) has the cause without CEDE_CANCEL_ASKED; a success has the other
 * alone. */
#define CEDE_BY_WISH      0x01u /* cede_cancel or cede_fail on its own ticket */
#define CEDE_BY_DEADLINE  0x02u
#define CEDE_BY_SCOPE     0x04u /* its scope ended, or the one that owned its handle */
#define CEDE_BY_CLOSE     0x08u /* its handle was closed or dropped */
#define CEDE_BY_LINK      0x10u /* the request before it in its chain failed or fell short */
#define CEDE_BY_LOOP      0x20u /* its loop was closing */
#define CEDE_BY_ANY       0x3fu
#define CEDE_CANCEL_ASKED 0x40u /* a cancel had been asked for, whatever came of it */
#define CEDE_TRUNCATED    0x80u /* the rest of a datagram did not fit, and is lost */

/* The truth about one submission, sealed when the kernel reported (law 7). */
typedef struct cede_result {
    cede_status status; /* CEDE_OK, or why not */
    int32_t os_error;   /* the system's own number (errno), or 0 */
    uint64_t count;     /* bytes moved; for scopes, members delivered; for pend, as completed; for
                           others what their preparation says */
    cede_handle handle; /* what was opened, now the callee's to close; 0 if nothing was */
    void *buffer;       /* the caller's buffer for transfers of one buffer; the pool's that was
                           picked, now the callee's to give back; else NULL */
    cede_ticket scope;  /* the scope that the request was a member of, or {0, 0}: it was in none, or
                           in one that was over before */
    uint32_t flags;     /* CEDE_BY_..., CEDE_CANCEL_ASKED, CEDE_TRUNCATED */
} cede_result;

/* ---- Memory -------------------------------------------------------------------------------- */

/*
 * Where the library's memory comes from. resize(context, NULL, n) allocates n > 0 bytes,
 * resize(context, p, 0) frees, like realloc; NULL says that there is none. It is called from any
 * thread that uses the library and must not call back into it.
 */
typedef struct cede_allocator {
    void *(*resize)(void *context, void *memory, size_t bytes);
    void *context;
} cede_allocator;

/* Sets the process's allocator (NULL: back to the C library's). Before the first cede_loop_open
 * and cede_import; CEDE_EBUSY once memory has been taken. Slots, loops and handle entries are
 * recycled but never freed, so that a late wish always finds memory. Of loops on sim this is the
 * core's memory alone: what the simulated kernel needs comes from malloc (sim.h). */
CEDE_API cede_status cede_set_allocator(const cede_allocator *);

#ifdef __cplusplus
}
#endif
#endif
