/*
 * Names and texts: statuses, operations, the version. Static tables; any thread.
 */
#include "core.h"

uint32_t cede_version(void)
{
    return CEDE_VERSION;
}

const char *cede_strerror(cede_status status)
{
    switch (status) {
#define TEXT(name, value, text) \
    case value:                 \
        return text;
        CEDE_STATUS_TABLE(TEXT)
#undef TEXT
    default:
        return "no such status";
    }
}

const char *cede_status_name(cede_status status)
{
    switch (status) {
#define NAME(name, value, text) \
    case value:                 \
        return "CEDE_" #name;
        CEDE_STATUS_TABLE(NAME)
#undef NAME
    default:
        return "CEDE_?";
    }
}

const cedi_op cedi_ops[CEDE_OP_COUNT] = {
#define CEDE_OP(NAME, name, handle, order, shape, host, promise) \
    {#name, handle, CEDI_##order, CEDI_##shape, CEDI_##host},
#include "cede/ops.def"
};

const char *cede_op_name(uint32_t op)
{
    return op < CEDE_OP_COUNT ? cedi_ops[op].name : "unknown";
}
