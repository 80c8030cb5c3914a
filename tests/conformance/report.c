/* See report.h. */
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    cft_outcome *rows;
    uint32_t count;
    uint32_t room;
    uint32_t verdicts[CFT_VERDICTS];
    bool tap;
} report;

static char *copy(const char *text)
{
    size_t bytes = strlen(text ? text : "") + 1;
    char *out = malloc(bytes);
    if (!out)
        abort();
    memcpy(out, text ? text : "", bytes);
    return out;
}

void cft_report_begin(bool tap, uint32_t planned)
{
    report.tap = tap;
    if (tap)
        printf("TAP version 13\n1..%u\n", planned);
}

void cft_report_add(const cft_outcome *outcome)
{
    if (report.count == report.room) {
        report.room = report.room ? report.room * 2 : 256;
        report.rows = realloc(report.rows, report.room * sizeof *report.rows);
        if (!report.rows)
            abort();
    }
    cft_outcome *row = &report.rows[report.count++];
    *row = *outcome;
    row->name = copy(outcome->name);
    row->text = copy(outcome->text);
    report.verdicts[row->verdict]++;
    if (report.tap) {
        static const char *const notes[] = {"", "", " # SKIP ", " # as Wine does: ", " # SKIP "};
        printf("%s %u - %s%s%s\n", row->verdict == CFT_FAILED ? "not ok" : "ok", report.count,
               row->name, notes[row->verdict], row->verdict >= CFT_SKIPPED ? row->text : "");
    } else {
        static const char *const words[] = {"ok     ", "FAILED ", "skipped", "as Wine", "left   "};
        printf("%s %s (%llu runs, %.2f s)%s%s\n", words[row->verdict], row->name,
               (unsigned long long)row->runs, row->seconds, row->verdict >= CFT_SKIPPED ? ": " : "",
               row->verdict >= CFT_SKIPPED ? row->text : "");
    }
    fflush(stdout);
}

uint32_t cft_report_count(cft_verdict verdict)
{
    return report.verdicts[verdict];
}

static void write_xml_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '&')
            fputs("&amp;", out);
        else if (c == '<')
            fputs("&lt;", out);
        else if (c == '>')
            fputs("&gt;", out);
        else if (c == '"')
            fputs("&quot;", out);
        else if (c < 32 && c != '\n' && c != '\t')
            fputc('?', out);
        else
            fputc(c, out);
    }
}

static bool write_junit(const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out) {
        perror(path);
        return false;
    }
    fprintf(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    fprintf(out,
            "<testsuite name=\"cede-conformance\" tests=\"%u\" failures=\"%u\" skipped=\"%u\">\n",
            report.count, report.verdicts[CFT_FAILED],
            report.verdicts[CFT_SKIPPED] + report.verdicts[CFT_LEFT]);
    for (uint32_t i = 0; i < report.count; i++) {
        const cft_outcome *row = &report.rows[i];
        const char *dot = strchr(row->name, '.');
        fprintf(out, "  <testcase classname=\"conformance.%.*s\" name=\"%s\" time=\"%.3f\"",
                (int)(dot - row->name), row->name, dot + 1, row->seconds);
        if (row->verdict == CFT_PASSED || row->verdict == CFT_DEVIATED) {
            fprintf(out, "/>\n");
            continue;
        }
        fprintf(out,
                row->verdict == CFT_FAILED ? ">\n    <failure>" : ">\n    <skipped message=\"");
        write_xml_text(out, row->text);
        fprintf(out, row->verdict == CFT_FAILED ? "</failure>\n" : "\"/>\n");
        fprintf(out, "  </testcase>\n");
    }
    fprintf(out, "</testsuite>\n");
    return fclose(out) == 0;
}

bool cft_report_end(const char *junit_path)
{
    printf("# %u passed, %u failed, %u skipped", report.verdicts[CFT_PASSED],
           report.verdicts[CFT_FAILED], report.verdicts[CFT_SKIPPED]);
    if (report.verdicts[CFT_DEVIATED])
        printf(", %u as Wine deviates", report.verdicts[CFT_DEVIATED]);
    if (report.verdicts[CFT_LEFT])
        printf(", %u left", report.verdicts[CFT_LEFT]);
    printf("\n");
    bool well = !junit_path || write_junit(junit_path);
    for (uint32_t i = 0; i < report.count; i++) {
        free((void *)(uintptr_t)report.rows[i].name);
        free((void *)(uintptr_t)report.rows[i].text);
    }
    free(report.rows);
    return well;
}
