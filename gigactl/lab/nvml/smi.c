/* The private functions that NVIDIA's own nvidia-smi calls through nvmlInternalGetExportTable. Found by watching which of them
 * Debian's nvidia-smi 535.261.03 calls, and what it prints when each is answered differently; no other program may rely on them.
 *
 * A table's first word is its size in bytes, each word after it a function. nvidia-smi lists processes through three of them whose
 * structures are not known: it always finds none. NVML's public functions tell of processes. */
#include <stdlib.h>

#include "getters.h"

#define WORDS 1024
#define LEAST_POINTER 65536 /* Linux maps nothing below: a smaller word is a number, not an address */

typedef Code (*Function)(void *first, void *second, void *third);

API Code nvmlInternalGetExportTable(const void **table, const void *which);
API Code nvmlDeviceGetHandleByIndex_v2(unsigned index, Device *device);

static bool is_device(const void *pointer) {
    uintptr_t at = (uintptr_t)pointer, first = (uintptr_t)lab_devices;
    return at >= first && at < first + sizeof lab_devices;
}

/* A GPU and an address: a question about the GPU whose answer is zero, `no` or `none`. All else succeeds. */
static Code other(void *first, void *second, void *third) {
    (void)third;
    if (is_device(first) && (uintptr_t)second > LEAST_POINTER) {
        *(unsigned *)second = 0;
    }
    return OK;
}

static Code handle(void *index, void *device, void *flags) {
    (void)flags;
    return nvmlDeviceGetHandleByIndex_v2((unsigned)(uintptr_t)index, device);
}

static Code number(Device device, void *answer, const char *key) {
    ENTER(device);
    return lab_unsigned(device, answer, "%s", key);
}

static Code microvolts(void *device, void *answer, void *flags) {
    (void)flags;
    return number(device, answer, "voltage");
}

static Code host_link_generation(void *device, void *answer, void *flags) {
    (void)flags;
    return number(device, answer, "pcie.maxgen");
}

static Code margin(void *device, void *answer, void *flags) {
    (void)flags;
    return number(device, answer, "temp.margin");
}

static const struct {
    uintptr_t size;
    Function functions[WORDS - 1];
} exported = {
    WORDS * sizeof(Function),
    {
        [0 ... 79] = other,
        [80] = handle,
        [81 ... 207] = other,
        [208] = microvolts,
        [209 ... 228] = other,
        [229] = host_link_generation,
        [230 ... 238] = other,
        [239] = margin,
        [240 ... WORDS - 2] = other,
    },
};

API Code nvmlInternalGetExportTable(const void **table, const void *which) {
    (void)which;
    NEED(table);
    *table = &exported;
    return OK;
}
