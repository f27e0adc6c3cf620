/* Modes, and the processes on a GPU.
 *
 * Keys: `persistence`, `computemode`, `mig.mode`, `mig.pending`, `mig.max`, `gom`, `gom.pending`, `display.mode`,
 * `display.active`, `accounting`, `virt`, `addressing`; `procs`, `procs.graphics`, `procs.mps`: `PID:MiB PID:MiB …`. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "getters.h"

GET_UNSIGNED(nvmlDeviceGetPersistenceMode, "persistence")
GET_UNSIGNED(nvmlDeviceGetComputeMode, "computemode")
GET_UNSIGNED(nvmlDeviceGetDisplayMode, "display.mode")
GET_UNSIGNED(nvmlDeviceGetDisplayActive, "display.active")
GET_UNSIGNED(nvmlDeviceGetAccountingMode, "accounting")
GET_UNSIGNED(nvmlDeviceGetVirtualizationMode, "virt")
GET_UNSIGNED(nvmlDeviceGetMaxMigDeviceCount, "mig.max")
GET_TWO(nvmlDeviceGetGpuOperationMode, "gom", "gom.pending")
GET_TWO(nvmlDeviceGetMigMode, "mig.mode", "mig.pending")

/* The lab has no MIG devices: no handle is one, and no GPU has one. */
API Code nvmlDeviceIsMigDeviceHandle(Device device, unsigned *is);
API Code nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device *found);

API Code nvmlDeviceIsMigDeviceHandle(Device device, unsigned *is) {
    ENTER(device);
    NEED(is);
    *is = 0;
    return OK;
}

API Code nvmlDeviceGetMigDeviceHandleByIndex(Device device, unsigned index, Device *found) {
    (void)index;
    (void)found;
    ENTER(device);
    return NOT_FOUND;
}

#if SINCE(580, 0)
API Code nvmlDeviceGetAddressingMode(Device device, AddressingMode *mode);
API Code nvmlDeviceGetAddressingMode(Device device, AddressingMode *mode) {
    ENTER(device);
    NEED(mode);
    if (mode->version != VERSION_WORD(AddressingMode, 1)) {
        return VERSION_MISMATCH;
    }
    return lab_unsigned(device, &mode->value, "addressing");
}
#endif

/* --- processes ---------------------------------------------------------------------------------------------------- */

/* Into the caller's array, of which *count says the size and then how many there are. */
static Code processes(Device device, const char *key, unsigned *count, Process *found) {
    ENTER(device);
    NEED(count);
    char *text = NULL, *rest, *word;
    Code code = lab_copy(device, &text, "%s", key);
    if (code == NOT_SUPPORTED) {
        *count = 0;
        return OK;
    }
    if (code != OK) {
        return code;
    }
    unsigned number = 0;
    for (rest = text; (word = strsep(&rest, " ")) != NULL;) {
        Process one = {.gpu_instance = ~0u, .compute_instance = ~0u}; /* not on a MIG device */
        if (sscanf(word, "%u:%llu", &one.pid, &one.memory) != 2) {
            continue;
        }
        one.memory <<= 20;
        if (found != NULL && number < *count) {
            found[number] = one;
        }
        number++;
    }
    free(text);
    code = number > *count || (number > 0 && found == NULL) ? INSUFFICIENT_SIZE : OK;
    *count = number;
    return code;
}

#define GET_PROCESSES(name, key)                                         \
    API Code name(Device device, unsigned *count, Process *found);       \
    API Code name(Device device, unsigned *count, Process *found) {      \
        return processes(device, key, count, found);                     \
    }

GET_PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3, "procs")
GET_PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2, "procs")
GET_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3, "procs.graphics")
GET_PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2, "procs.graphics")
GET_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3, "procs.mps")
GET_PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2, "procs.mps")
