/* Initialising, and what NVML says of the driver. Keys: `init`, `driver`, `cuda` (13000; else what this branch brought). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "getters.h"

#define VERSION_TEXT 80 /* NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE */

/* NVIDIA's CUDA release notes: the CUDA version each driver branch came with. */
#if LAB_MAJOR >= 590
#define BRANCH_CUDA 13010
#elif LAB_MAJOR >= 580
#define BRANCH_CUDA 13000
#elif LAB_MAJOR >= 575
#define BRANCH_CUDA 12090
#elif LAB_MAJOR >= 570
#define BRANCH_CUDA 12080
#elif LAB_MAJOR >= 560
#define BRANCH_CUDA 12060
#elif LAB_MAJOR >= 550
#define BRANCH_CUDA 12040
#else
#define BRANCH_CUDA 12020
#endif

API Code nvmlInitWithFlags(unsigned flags);
API Code nvmlInit_v2(void);
API Code nvmlInit(void);
API Code nvmlShutdown(void);
API const char *nvmlErrorString(Code code);
API Code nvmlSystemGetDriverVersion(char *text, unsigned size);
API Code nvmlSystemGetNVMLVersion(char *text, unsigned size);
API Code nvmlSystemGetCudaDriverVersion(int *version);
API Code nvmlSystemGetCudaDriverVersion_v2(int *version);
API Code nvmlSystemGetProcessName(unsigned pid, char *name, unsigned size);

/* The library and the loaded module must be of one version; after an upgrade they are not, until the host boots. */
static Code driver_answers(void) {
    long long ignored;
    Code said = lab_number(NULL, &ignored, "init");
    if (said != OK && said != NOT_SUPPORTED) {
        return said;
    }
    char loaded[VERSION_TEXT];
    if (lab_text(NULL, loaded, sizeof loaded, "driver") != OK || strcmp(loaded, "none") == 0) {
        return DRIVER_NOT_LOADED;
    }
    return strcmp(loaded, LAB_DRIVER) == 0 ? OK : LIB_RM_VERSION_MISMATCH;
}

API Code nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    Code code = driver_answers();
    if (code == OK) {
        lab_open();
    }
    return code;
}

API Code nvmlInit_v2(void) {
    return nvmlInitWithFlags(0);
}

API Code nvmlInit(void) {
    return nvmlInitWithFlags(0);
}

API Code nvmlShutdown(void) {
    return lab_close();
}

/* As NVIDIA's library words them. */
API const char *nvmlErrorString(Code code) {
    static const struct {
        int code;
        const char *text;
    } texts[] = {
        {0, "Success"},
        {1, "Uninitialized"},
        {2, "Invalid Argument"},
        {3, "Not Supported"},
        {4, "Insufficient Permissions"},
        {5, "Already Initialized"},
        {6, "Not Found"},
        {7, "Insufficient Size"},
        {8, "Insufficient External Power"},
        {9, "Driver Not Loaded"},
        {10, "Timeout"},
        {11, "Interrupt Request Issue"},
        {12, "NVML Shared Library Not Found"},
        {13, "Function Not Found"},
        {14, "Corrupted infoROM"},
        {15, "GPU is lost"},
        {16, "GPU requires reset"},
        {17, "The operating system has blocked the request."},
        {18, "Driver/library version mismatch"},
        {19, "In use by another client"},
        {20, "Insufficient Memory"},
        {21, "No data"},
        {22, "vGPU operation is not available on target device because ECC is enabled"},
        {23, "Insufficient Resources"},
        {24, "Frequency Not Supported"},
        {25, "Argument version mismatch"},
        {26, "Deprecated"},
        {27, "Not Ready"},
        {28, "GPU not found"},
        {29, "Invalid State"},
        {30, "Reset type not supported"},
    };
    for (size_t at = 0; at < sizeof texts / sizeof *texts; at++) {
        if (texts[at].code == (int)code) {
            return texts[at].text;
        }
    }
    return "Unknown Error";
}

static long long cuda_version(void) {
    return lab_number_or(NULL, BRANCH_CUDA, "cuda");
}

API Code nvmlSystemGetDriverVersion(char *text, unsigned size) {
    Code code = lab_enter_system();
    return code != OK ? code : lab_text(NULL, text, size, "driver");
}

/* "13.580.126.20": the CUDA major version before the driver's. The library knows its own version, initialised or not. */
API Code nvmlSystemGetNVMLVersion(char *text, unsigned size) {
    char version[VERSION_TEXT];
    snprintf(version, sizeof version, "%d.%s", BRANCH_CUDA / 1000, LAB_DRIVER);
    return lab_answer(version, text, size);
}

API Code nvmlSystemGetCudaDriverVersion(int *version) {
    NEED(version);
    *version = (int)cuda_version();
    return OK;
}

API Code nvmlSystemGetCudaDriverVersion_v2(int *version) {
    return nvmlSystemGetCudaDriverVersion(version);
}

API Code nvmlSystemGetProcessName(unsigned pid, char *name, unsigned size) {
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return errno == ENOENT ? NOT_FOUND : NO_PERMISSION;
    }
    ssize_t length = read(file, line, sizeof line - 1);
    close(file);
    if (length < 0) {
        return NOT_FOUND;
    }
    line[length] = '\0'; /* the first argument ends there, or at its own zero before */
    return lab_answer(line, name, size);
}

#if SINCE(560, 0)
API Code nvmlSystemGetDriverBranch(DriverBranch *info, unsigned size);
API Code nvmlSystemGetDriverBranch(DriverBranch *info, unsigned size) {
    NEED(info);
    if (info->version != VERSION_WORD(DriverBranch, 1)) {
        return VERSION_MISMATCH;
    }
    char branch[sizeof info->branch];
    snprintf(branch, sizeof branch, "r%d_00", LAB_MAJOR);
    return lab_answer(branch, info->branch, size < sizeof info->branch ? size : sizeof info->branch);
}
#endif
