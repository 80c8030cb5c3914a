/*
 * What the runner tells: lines for people, TAP, JUnit XML. The runner's thread only.
 */
#ifndef CFT_REPORT_H
#define CFT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

typedef enum cft_verdict {
    CFT_PASSED,
    CFT_FAILED,
    CFT_SKIPPED,
    CFT_DEVIATED, /* passed, with rows of wine.def */
    CFT_LEFT,     /* not run: it has to have processes of its own */
    CFT_VERDICTS
} cft_verdict;

typedef struct cft_outcome {
    const char *name; /* "io_uring.read_..." */
    cft_verdict verdict;
    const char *text; /* output of what failed, the reason of a skip, the ids of deviations */
    double seconds;
    uint64_t runs;
} cft_outcome;

void cft_report_begin(bool tap, uint32_t planned);
/* Copies what it is given. */
void cft_report_add(const cft_outcome *);
/* Writes the summary and, with a path, JUnit XML. False if the file cannot be written. */
bool cft_report_end(const char *junit_path);
uint32_t cft_report_count(cft_verdict);

#endif
