/* The private functions that NVIDIA's own nvidia-smi calls through nvmlInternalGetExportTable. Found by watching what Debian's
 * nvidia-smi 535.261.03 calls and what it prints then; no other program may rely on them.
 *
 * A table's first word is its size in bytes, each word after it a function. */
#include <stdlib.h>

#include "state.h"

#define SLOTS 1024
#define LEAST_POINTER 65536 /* Linux maps nothing below: a smaller word is a number, not an address */

typedef Code (*Slot)(void *first, void *second, void *third);

API Code nvmlInternalGetExportTable(const void **table, const void *which);

static bool is_device(const void *pointer) {
    uintptr_t at = (uintptr_t)pointer, first = (uintptr_t)lab_devices;
    return at >= first && at < first + sizeof lab_devices;
}

/* What a private function answers. A GPU and an address: a question about the GPU whose answer is `no`. All else succeeds. */
static Code answer(void *first, void *second, void *third) {
    (void)third;
    if (is_device(first) && (uintptr_t)second > LEAST_POINTER) {
        *(unsigned *)second = 0;
    }
    return OK;
}

static const struct {
    uintptr_t size;
    Slot slots[SLOTS - 1];
} exported = {SLOTS * sizeof(Slot), {[0 ... SLOTS - 2] = answer}};

API Code nvmlInternalGetExportTable(const void **table, const void *which) {
    (void)which;
    *table = &exported;
    return OK;
}
