/* The table of Windows' errors, src/win32/error.c: every row is found, so its order is right. */
#include "../../src/win32/error.c"

#include <stdio.h>

int main(void)
{
    int wrong = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (cedi_error_status(rows[i].error) == rows[i].status &&
            (i == 0 || rows[i - 1].error < rows[i].error))
            continue;
        printf("the row of error %u is not found, or stands twice or out of order\n",
               (unsigned)rows[i].error);
        wrong++;
    }
    if (cedi_error_status(0) != CEDE_OK || cedi_error_status(0xfffe) != CEDE_EUNKNOWN ||
        cedi_error_status(0x80310000u) != CEDE_EUNKNOWN)
        wrong++;
    return wrong != 0;
}
