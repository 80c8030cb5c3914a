/* A number that no descriptor can have is refused by import, and its lower half does not come to be
 * another's descriptor, which the close of the handle would close (law 10). */
#include "fake.h"

#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

REGRESSION(import_takes_no_more_than_an_int)
{
    int ends[2];
    int64_t other;
    cede_handle handle;
    CHECK(pipe(ends) == 0);
    other = (INT64_C(1) << 32) + ends[0];
    if (other > INTPTR_MAX) /* a machine whose descriptors are its words */
        return 0;
    handle = cede_import((intptr_t)other, CEDE_KIND_PIPE, 0);
    cede_drop(handle);
    CHECK(fcntl(ends[0], F_GETFD) >= 0);
    CHECK(handle == 0);
    CHECK(cede_import((intptr_t)INT_MAX + 1, CEDE_KIND_AUTO, CEDE_IMPORT_BORROW) == 0);
    handle = cede_import(INT_MAX, CEDE_KIND_AUTO, CEDE_IMPORT_BORROW);
    CHECK(handle != 0);
    cede_drop(handle);
    return 0;
}
