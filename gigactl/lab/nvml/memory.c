/* Memory, its errors and their repair.
 *
 * Keys: `mem.total`, `mem.used`, `mem.reserved`, `bar1.total`, `bar1.used` (bytes); `ecc.mode`, `ecc.pending`, `ecc.default`;
 * `ecc.T.C.L`: errors of type T (0 corrected, 1 uncorrected), counter C (0 volatile, 1 aggregate), place L (2 DRAM, 7 SRAM);
 * `ecc.total.T.C`, else their sum; `sram.parity.C`: how many of the uncorrected SRAM errors parity found (SECDED the others);
 * `sram.bucket.N`: aggregate ones by unit (L2, SM, PCIe, MCU, other; without these lines: all in L2); `sram.threshold`;
 * `sram.unique`; `remap.cor`, `remap.unc`, `remap.pending`, `remap.failure`, `remap.hist.max` to `.none`; `repair.channel`,
 * `repair.tpc`; `unrepairable`; `retired.0`, `retired.1` (page addresses), `retired.pending`. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "getters.h"
#include "memory.h"

enum { CORRECTED = 0, UNCORRECTED = 1, VOLATILE = 0, AGGREGATE = 1, DRAM = 2, SRAM = 7, LOCATIONS = 9, BUCKETS = 5 };
enum { BLACKWELL = 10 }; /* NVML_DEVICE_ARCH_BLACKWELL */

API Code nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2 *memory);
API Code nvmlDeviceGetMemoryInfo(Device device, Memory *memory);
API Code nvmlDeviceGetBAR1MemoryInfo(Device device, Memory *memory);
API Code nvmlDeviceGetTotalEccErrors(Device device, unsigned type, unsigned counter, Count *errors);
API Code nvmlDeviceGetMemoryErrorCounter(Device device, unsigned type, unsigned counter, unsigned place, Count *errors);
API Code nvmlDeviceGetRetiredPages(Device device, unsigned cause, unsigned *count, Count *addresses);
API Code nvmlDeviceGetRetiredPages_v2(Device device, unsigned cause, unsigned *count, Count *addresses, Count *times);
API Code nvmlDeviceGetRemappedRows(Device device, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                                   unsigned *failed);
API Code nvmlDeviceGetRowRemapperHistogram(Device device, RowRemapperHistogram *banks);

/* --- how much ----------------------------------------------------------------------------------------------------- */

API Code nvmlDeviceGetMemoryInfo_v2(Device device, MemoryV2 *memory) {
    ENTER(device);
    NEED(memory);
    if (memory->version != VERSION_WORD(MemoryV2, 2)) {
        return VERSION_MISMATCH;
    }
    Count total, used;
    Code code = lab_count(device, &total, "mem.total");
    if (code == OK) {
        code = lab_count(device, &used, "mem.used");
    }
    if (code != OK) {
        return code;
    }
    Count reserved = (Count)lab_number_or(device, 0, "mem.reserved");
    Count taken = used + reserved;
    memory->total = total;
    memory->reserved = reserved;
    memory->used = used;
    memory->free = taken < total ? total - taken : 0;
    return OK;
}

/* The first form counts what the driver reserves as used. */
API Code nvmlDeviceGetMemoryInfo(Device device, Memory *memory) {
    NEED(memory);
    MemoryV2 newer = {.version = VERSION_WORD(MemoryV2, 2)};
    Code code = nvmlDeviceGetMemoryInfo_v2(device, &newer);
    if (code == OK) {
        *memory = (Memory){newer.total, newer.free, newer.used + newer.reserved};
    }
    return code;
}

API Code nvmlDeviceGetBAR1MemoryInfo(Device device, Memory *memory) {
    ENTER(device);
    NEED(memory);
    Count total;
    Code code = lab_count(device, &total, "bar1.total");
    if (code == OK) {
        Count used = (Count)lab_number_or(device, 0, "bar1.used");
        *memory = (Memory){total, used < total ? total - used : 0, used};
    }
    return code;
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

GET_TWO(nvmlDeviceGetEccMode, "ecc.mode", "ecc.pending")
GET_UNSIGNED(nvmlDeviceGetDefaultEccMode, "ecc.default")

/* Counters exist while ECC is on. */
static Code errors_at(Device device, unsigned type, unsigned counter, unsigned place, Count *errors) {
    if (lab_number_or(device, 0, "ecc.mode") == 0) {
        return NOT_SUPPORTED;
    }
    return lab_count(device, errors, "ecc.%u.%u.%u", type, counter, place);
}

Code ecc_total(Device device, unsigned type, unsigned counter, Count *errors) {
    Code code = lab_count(device, errors, "ecc.total.%u.%u", type, counter);
    if (code != NOT_SUPPORTED) {
        return code;
    }
    Count dram, sram;
    code = errors_at(device, type, counter, DRAM, &dram);
    if (code == OK) {
        code = errors_at(device, type, counter, SRAM, &sram);
    }
    if (code == OK) {
        *errors = dram + sram;
    }
    return code;
}

API Code nvmlDeviceGetTotalEccErrors(Device device, unsigned type, unsigned counter, Count *errors) {
    ENTER(device);
    NEED(errors);
    return type > UNCORRECTED || counter > AGGREGATE ? INVALID_ARGUMENT : ecc_total(device, type, counter, errors);
}

API Code nvmlDeviceGetMemoryErrorCounter(Device device, unsigned type, unsigned counter, unsigned place, Count *errors) {
    ENTER(device);
    NEED(errors);
    if (type > UNCORRECTED || counter > AGGREGATE || place >= LOCATIONS) {
        return INVALID_ARGUMENT;
    }
    return errors_at(device, type, counter, place, errors);
}

#if SINCE(535, 161)
static Count parity_of(Device device, unsigned counter, Count uncorrected) {
    Count parity = (Count)lab_number_or(device, 0, "sram.parity.%u", counter);
    return parity < uncorrected ? parity : uncorrected;
}

static void fill_buckets(Device device, Count uncorrected, Count *buckets) {
    Count placed = 0;
    for (unsigned at = 0; at < BUCKETS; at++) {
        buckets[at] = (Count)lab_number_or(device, 0, "sram.bucket.%u", at);
        placed += buckets[at];
    }
    if (placed == 0) {
        buckets[0] = uncorrected;
    }
}

API Code nvmlDeviceGetSramEccErrorStatus(Device device, SramStatus *status);
API Code nvmlDeviceGetSramEccErrorStatus(Device device, SramStatus *status) {
    ENTER(device);
    NEED(status);
    if (status->version != VERSION_WORD(SramStatus, 1)) {
        return VERSION_MISMATCH;
    }
    Count errors[2][2];
    for (unsigned at = 0; at < 4; at++) {
        Code code = errors_at(device, at / 2, at % 2, SRAM, &errors[at / 2][at % 2]);
        if (code != OK) {
            return code;
        }
    }
    if (geteuid() != 0) { /* nvml.h: root only */
        return NO_PERMISSION;
    }
    Count *uncorrected = errors[UNCORRECTED];
    status->volatile_corrected = errors[CORRECTED][VOLATILE];
    status->aggregate_corrected = errors[CORRECTED][AGGREGATE];
    status->volatile_parity = parity_of(device, VOLATILE, uncorrected[VOLATILE]);
    status->volatile_secded = uncorrected[VOLATILE] - status->volatile_parity;
    status->aggregate_parity = parity_of(device, AGGREGATE, uncorrected[AGGREGATE]);
    status->aggregate_secded = uncorrected[AGGREGATE] - status->aggregate_parity;
    fill_buckets(device, uncorrected[AGGREGATE], status->buckets);
    status->threshold_exceeded = (unsigned)lab_number_or(device, 0, "sram.threshold");
    return OK;
}
#endif

#if SINCE(580, 0)
/* The lab tells no more of an error than that there was one: each at an address of its own. */
API Code nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(Device device, SramUniqueCounts *counts);
API Code nvmlDeviceGetSramUniqueUncorrectedEccErrorCounts(Device device, SramUniqueCounts *counts) {
    ENTER(device);
    NEED(counts);
    if (counts->version != VERSION_WORD(SramUniqueCounts, 1)) {
        return VERSION_MISMATCH;
    }
    if (lab_number_or(device, 0, "arch") < BLACKWELL) {
        return NOT_SUPPORTED;
    }
    unsigned known;
    Code code = lab_unsigned(device, &known, "sram.unique");
    if (code != OK) {
        return code;
    }
    unsigned room = counts->entry_count;
    counts->entry_count = known;
    if (known > room || (known > 0 && counts->entries == NULL)) {
        return INSUFFICIENT_SIZE;
    }
    for (unsigned at = 0; at < known; at++) {
        counts->entries[at] = (SramUniqueError){.address = at, .count = 1};
    }
    return OK;
}
#endif

/* --- repair ------------------------------------------------------------------------------------------------------- */

static bool mig_is_on(Device device) {
    return lab_number_or(device, 0, "mig.mode") != 0;
}

API Code nvmlDeviceGetRemappedRows(Device device, unsigned *corrected, unsigned *uncorrected, unsigned *pending,
                                   unsigned *failed) {
    ENTER(device);
    if (mig_is_on(device)) { /* nvml.h: not for a GPU that is cut into instances */
        return NOT_SUPPORTED;
    }
    Code code = lab_unsigned(device, corrected, "remap.cor");
    code = code != OK ? code : lab_unsigned(device, uncorrected, "remap.unc");
    code = code != OK ? code : lab_unsigned(device, pending, "remap.pending");
    return code != OK ? code : lab_unsigned(device, failed, "remap.failure");
}

API Code nvmlDeviceGetRowRemapperHistogram(Device device, RowRemapperHistogram *banks) {
    ENTER(device);
    NEED(banks);
    RowRemapperHistogram found;
    Code code = lab_unsigned(device, &found.max, "remap.hist.max");
    code = code != OK ? code : lab_unsigned(device, &found.high, "remap.hist.high");
    code = code != OK ? code : lab_unsigned(device, &found.partial, "remap.hist.partial");
    code = code != OK ? code : lab_unsigned(device, &found.low, "remap.hist.low");
    code = code != OK ? code : lab_unsigned(device, &found.none, "remap.hist.none");
    if (code == OK) {
        *banks = found;
    }
    return code;
}

#if SINCE(580, 0)
API Code nvmlDeviceGetRepairStatus(Device device, RepairStatus *status);
API Code nvmlDeviceGetRepairStatus(Device device, RepairStatus *status) {
    ENTER(device);
    NEED(status);
    if (status->version != VERSION_WORD(RepairStatus, 1)) {
        return VERSION_MISMATCH;
    }
    Code code = lab_unsigned(device, &status->channel_pending, "repair.channel");
    return code != OK ? code : lab_unsigned(device, &status->tpc_pending, "repair.tpc");
}
#endif

#if SINCE(590, 0)
API Code nvmlDeviceGetUnrepairableMemoryFlag_v1(Device device, UnrepairableMemory *memory);
API Code nvmlDeviceGetUnrepairableMemoryFlag_v1(Device device, UnrepairableMemory *memory) {
    ENTER(device);
    NEED(memory);
    if (memory->version != VERSION_WORD(UnrepairableMemory, 1)) {
        return VERSION_MISMATCH;
    }
    return lab_unsigned(device, &memory->unrepairable, "unrepairable");
}
#endif

/* Boards that replace rows retire no pages: there the lines are missing. */
API Code nvmlDeviceGetRetiredPages(Device device, unsigned cause, unsigned *count, Count *addresses) {
    ENTER(device);
    NEED(count);
    char *pages = NULL, *rest, *word;
    Code code = lab_copy(device, &pages, "retired.%u", cause);
    if (code != OK) {
        return code;
    }
    unsigned found = 0;
    for (rest = pages; (word = strsep(&rest, " ")) != NULL;) {
        if (*word == '\0' || strcmp(word, "-") == 0) {
            continue;
        }
        if (addresses != NULL && found < *count) {
            addresses[found] = strtoull(word, NULL, 0);
        }
        found++;
    }
    free(pages);
    code = found > *count || (found > 0 && addresses == NULL) ? INSUFFICIENT_SIZE : OK;
    *count = found;
    return code;
}

API Code nvmlDeviceGetRetiredPages_v2(Device device, unsigned cause, unsigned *count, Count *addresses, Count *times) {
    Code code = nvmlDeviceGetRetiredPages(device, cause, count, addresses);
    if (code == OK && times != NULL) {
        memset(times, 0, *count * sizeof *times); /* zero: the driver did not note when */
    }
    return code;
}

GET_UNSIGNED(nvmlDeviceGetRetiredPagesPendingStatus, "retired.pending")
