/*
 * Statuses and operations: every one has a name and a text of its own; and every errno of Linux has
 * a status, or is listed here as one that has no portable name.
 */
#include "unit.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include "core.h"
#include "error.h"

#define ERRNO_MOST 133 /* EHWPOISON; Linux has had none above it since 2009, but for 512 and on */

static const struct {
    const char *name;
    cede_status value;
} statuses[] = {
#define ROW(name, value, text) {"CEDE_" #name, value},
    CEDE_STATUS_TABLE(ROW)
#undef ROW
};

#define STATUSES (sizeof statuses / sizeof statuses[0])

static void every_status_has_a_name_and_a_text(void)
{
    for (size_t i = 0; i < STATUSES; i++) {
        const char *text = cede_strerror(statuses[i].value);
        REQUIRE(statuses[i].value <= 0 && statuses[i].value > CEDE_REPORT_AGAIN, "%s is %d",
                statuses[i].name, statuses[i].value);
        REQUIRE(strcmp(cede_status_name(statuses[i].value), statuses[i].name) == 0,
                "%s is called %s", statuses[i].name, cede_status_name(statuses[i].value));
        REQUIRE(strlen(text) > 3 && text[strlen(text) - 1] != '.', "%s: %s", statuses[i].name,
                text);
        for (size_t k = 0; k < i; k++) {
            REQUIRE(statuses[i].value != statuses[k].value, "%s is %s", statuses[i].name,
                    statuses[k].name);
            REQUIRE(strcmp(text, cede_strerror(statuses[k].value)) != 0, "%s says what %s says",
                    statuses[i].name, statuses[k].name);
        }
    }
    for (cede_status none = -2000; none < 2000; none += 7) {
        bool known = none <= 0 && none > -(cede_status)STATUSES;
        REQUIRE(cede_strerror(none) && cede_status_name(none), "%d has no text", none);
        REQUIRE(known == (strcmp(cede_status_name(none), "CEDE_?") != 0), "%d is %s", none,
                cede_status_name(none));
    }
    REQUIRE(*cede_strerror(INT32_MIN) && *cede_strerror(INT32_MAX), "no text");
}

static void every_operation_has_a_name(void)
{
    for (uint32_t op = 0; op < CEDE_OP_COUNT; op++) {
        for (uint32_t k = 0; k < op; k++)
            REQUIRE(strcmp(cede_op_name(op), cede_op_name(k)) != 0, "%u and %u are both %s", op, k,
                    cede_op_name(op));
        REQUIRE(strcmp(cede_op_name(op), "unknown") != 0, "%u has no name", op);
    }
    REQUIRE(strcmp(cede_op_name(CEDE_OP_COUNT), "unknown") == 0, "%s", cede_op_name(CEDE_OP_COUNT));
    REQUIRE(strcmp(cede_op_name(UINT32_MAX), "unknown") == 0, "%s", cede_op_name(UINT32_MAX));
}

/* ---- errno ---------------------------------------------------------------------------------- */

static const struct {
    int number;
    cede_status status;
} mapped[] = {
    {EPERM, CEDE_EPERM},
    {ENOENT, CEDE_ENOENT},
    {EINTR, CEDE_REPORT_AGAIN},
    {EIO, CEDE_EIO},
    {ENXIO, CEDE_ENXIO},
    {EBADF, CEDE_EBADF},
    {EAGAIN, CEDE_EAGAIN},
    {ENOMEM, CEDE_ENOMEM},
    {EACCES, CEDE_EACCES},
    {EFAULT, CEDE_EFAULT},
    {EBUSY, CEDE_EBUSY},
    {EEXIST, CEDE_EEXIST},
    {EXDEV, CEDE_EXDEV},
    {ENODEV, CEDE_ENODEV},
    {ENOTDIR, CEDE_ENOTDIR},
    {EISDIR, CEDE_EISDIR},
    {EINVAL, CEDE_EINVAL},
    {ENFILE, CEDE_ENFILE},
    {EMFILE, CEDE_EMFILE},
    {ETXTBSY, CEDE_ETXTBSY},
    {EFBIG, CEDE_EFBIG},
    {ENOSPC, CEDE_ENOSPC},
    {ESPIPE, CEDE_ESPIPE},
    {EROFS, CEDE_EROFS},
    {EMLINK, CEDE_EMLINK},
    {EPIPE, CEDE_EPIPE},
    {EDEADLK, CEDE_EDEADLK},
    {ENAMETOOLONG, CEDE_ENAMETOOLONG},
    {ENOSYS, CEDE_ENOTSUP},
    {ENOTEMPTY, CEDE_ENOTEMPTY},
    {ELOOP, CEDE_ELOOP},
    {ETIME, CEDE_ETIMEDOUT},
    {EOVERFLOW, CEDE_EOVERFLOW},
    {EILSEQ, CEDE_EINVAL},
    {EUSERS, CEDE_EAGAIN},
    {EOPNOTSUPP, CEDE_ENOTSUP},
    {ENOBUFS, CEDE_ENOMEM},
    {ETIMEDOUT, CEDE_ETIMEDOUT},
    {ESTALE, CEDE_ESTALE},
    {EDQUOT, CEDE_EDQUOT},
    {ECANCELED, CEDE_ECANCELED},
    {EREMOTEIO, CEDE_EIO},
    {ENOMEDIUM, CEDE_EIO},
    {EMEDIUMTYPE, CEDE_EIO},
    {EUCLEAN, CEDE_EIO},
    {EBADMSG, CEDE_EIO},
    {ECONNREFUSED, CEDE_ECONNREFUSED},
    {EPROTOTYPE, CEDE_ECONNREFUSED},
    {ECONNRESET, CEDE_ECONNRESET},
    {ECONNABORTED, CEDE_ECONNABORTED},
    {EPROTO, CEDE_ECONNABORTED},
    {EHOSTUNREACH, CEDE_EHOSTUNREACH},
    {ENETUNREACH, CEDE_ENETUNREACH},
    {ENETDOWN, CEDE_ENETDOWN},
    {ENETRESET, CEDE_ECONNRESET},
    {EADDRINUSE, CEDE_EADDRINUSE},
    {EADDRNOTAVAIL, CEDE_EADDRNOTAVAIL},
    {ENOTCONN, CEDE_ENOTCONN},
    {EMSGSIZE, CEDE_EMSGSIZE},
    {EAFNOSUPPORT, CEDE_ENOTSUP},
    {EPROTONOSUPPORT, CEDE_ENOTSUP},
    {ENOPROTOOPT, CEDE_ENOTSUP},
    {ENOTSOCK, CEDE_EINVAL},
    {EDESTADDRREQ, CEDE_EINVAL},
    {ENOEXEC, CEDE_ENOEXEC},
    {E2BIG, CEDE_E2BIG},
};

/* Of processes, terminals, locks, System V, shared libraries, sockets, Xenix, keys, hardware. 41
 * and 58 are no errors. */
static const int nameless[] = {
    ESRCH,
    ECHILD,
    ENOTBLK,
    ENOTTY,
    EDOM,
    ERANGE,
    ENOLCK,
    41,
    ENOMSG,
    EIDRM,
    ECHRNG,
    EL2NSYNC,
    EL3HLT,
    EL3RST,
    ELNRNG,
    EUNATCH,
    ENOCSI,
    EL2HLT,
    EBADE,
    EBADR,
    EXFULL,
    ENOANO,
    EBADRQC,
    EBADSLT,
    58,
    EBFONT,
    ENOSTR,
    ENODATA,
    ENOSR,
    ENONET,
    ENOPKG,
    EREMOTE,
    ENOLINK,
    EADV,
    ESRMNT,
    ECOMM,
    EMULTIHOP,
    EDOTDOT,
    ENOTUNIQ,
    EBADFD,
    EREMCHG,
    ELIBACC,
    ELIBBAD,
    ELIBSCN,
    ELIBMAX,
    ELIBEXEC,
    ERESTART,
    ESTRPIPE,
    ESOCKTNOSUPPORT,
    EPFNOSUPPORT,
    EISCONN,
    ESHUTDOWN,
    ETOOMANYREFS,
    EHOSTDOWN,
    EALREADY,
    EINPROGRESS,
    ENOTNAM,
    ENAVAIL,
    EISNAM,
    ENOKEY,
    EKEYEXPIRED,
    EKEYREVOKED,
    EKEYREJECTED,
    EOWNERDEAD,
    ENOTRECOVERABLE,
    ERFKILL,
    EHWPOISON,
};

static void every_errno_has_a_status(void)
{
    unsigned seen[ERRNO_MOST + 1] = {0};
    for (size_t i = 0; i < sizeof mapped / sizeof mapped[0]; i++) {
        seen[mapped[i].number]++;
        REQUIRE(cedi_error_status(mapped[i].number) == mapped[i].status, "%s is %s",
                strerror(mapped[i].number), cede_status_name(cedi_error_status(mapped[i].number)));
        REQUIRE(cedi_error_status(-mapped[i].number) == mapped[i].status, "negative: %s",
                strerror(mapped[i].number));
    }
    for (size_t i = 0; i < sizeof nameless / sizeof nameless[0]; i++) {
        seen[nameless[i]]++;
        REQUIRE(cedi_error_status(nameless[i]) == CEDE_EUNKNOWN, "%s is %s", strerror(nameless[i]),
                cede_status_name(cedi_error_status(nameless[i])));
    }
    for (int number = 1; number <= ERRNO_MOST; number++)
        REQUIRE(seen[number] == 1, "errno %d (%s) is listed %u times", number, strerror(number),
                seen[number]);
    REQUIRE(cedi_error_status(0) == CEDE_OK, "no error");
    for (int restart = 512; restart <= 516; restart++)
        REQUIRE(cedi_error_status(-restart) == CEDE_REPORT_AGAIN, "%d is not begun anew", restart);
    REQUIRE(cedi_error_status(511) == CEDE_EUNKNOWN && cedi_error_status(517) == CEDE_EUNKNOWN &&
                cedi_error_status(ERRNO_MOST + 1) == CEDE_EUNKNOWN &&
                cedi_error_status(INT_MAX) == CEDE_EUNKNOWN &&
                cedi_error_status(INT_MIN) == CEDE_EUNKNOWN,
            "a number that is no errno");
}

int main(void)
{
    every_status_has_a_name_and_a_text();
    every_operation_has_a_name();
    every_errno_has_a_status();
    printf("%zu statuses, %u operations, %d errnos\n", STATUSES, CEDE_OP_COUNT - 1u, ERRNO_MOST);
    return 0;
}
