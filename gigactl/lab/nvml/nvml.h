/* The part of NVML's C interface that the lab's library offers: codes, structures with NVIDIA's layout, entry points.
 *
 * Written from the layouts that nvidia-ml-py (BSD) declares; a comment says since which driver branch something exists.
 * The build gives the version this library is: LAB_DRIVER ("580.126.20"), LAB_MAJOR, LAB_MINOR. */
#ifndef LAB_NVML_H
#define LAB_NVML_H

#include <stddef.h>
#include <stdint.h>

#if !defined(LAB_DRIVER) || !defined(LAB_MAJOR) || !defined(LAB_MINOR)
#error "compile with -DLAB_DRIVER, -DLAB_MAJOR and -DLAB_MINOR"
#endif

/* True in a library of this driver version or a newer one: older ones lack the entry points that came later. */
#define SINCE(major, minor) (LAB_MAJOR > (major) || (LAB_MAJOR == (major) && LAB_MINOR >= (minor)))

#define API __attribute__((visibility("default")))

typedef enum {
    OK = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NO_PERMISSION = 4,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    TIMEOUT = 10,
    GPU_IS_LOST = 15,
    LIB_RM_VERSION_MISMATCH = 18,
    VERSION_MISMATCH = 25, /* the structure handed in has a version this library does not know */
    UNKNOWN = 999,
} Code;

typedef unsigned long long Count;
typedef const struct lab_device *Device;

/* What a versioned structure's first word must hold: its size, and its version in the top byte. */
#define VERSION_WORD(type, version) ((unsigned)sizeof(type) | (unsigned)(version) << 24)

typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, device_id, subsystem_id;
    char bus_id[32];
} PciInfo;

typedef struct {
    Count total, free, used;
} Memory;

typedef struct {
    unsigned version;
    Count total, reserved, free, used;
} MemoryV2;

typedef struct {
    unsigned gpu, memory;
} Utilization;

typedef struct {
    Count reference_time, violation_time; /* microseconds, nanoseconds */
} ViolationTime;

typedef struct {
    unsigned version, sensor;
    int temperature;
} Temperature;

typedef struct {
    unsigned version;
    int margin;
} MarginTemperature;

typedef struct {
    unsigned max, high, partial, low, none;
} RowRemapperHistogram;

typedef struct {
    unsigned version;
    Count aggregate_parity, aggregate_secded, aggregate_corrected;
    Count volatile_parity, volatile_secded, volatile_corrected;
    Count buckets[5]; /* aggregate uncorrected by unit: L2, SM, PCIe, MCU, other */
    unsigned threshold_exceeded;
} SramStatus;

typedef struct {
    unsigned unit, location, sublocation, extlocation, address, is_parity, count;
} SramUniqueError;

typedef struct {
    unsigned version, entry_count;
    SramUniqueError *entries;
} SramUniqueCounts;

typedef struct {
    unsigned version, channel_pending, tpc_pending;
} RepairStatus;

typedef struct {
    unsigned version, unrepairable;
} UnrepairableMemory;

typedef struct {
    uint8_t cluster[16];
    Code status;
    unsigned clique;
    uint8_t state;
} FabricInfo;

/* v2 ends before the summary. */
typedef struct {
    unsigned version;
    uint8_t cluster[16];
    Code status;
    unsigned clique;
    uint8_t state;
    unsigned health_mask;
    uint8_t health_summary;
} FabricInfoV;

#define FABRIC_V2_WORD ((unsigned)offsetof(FabricInfoV, health_summary) | 2u << 24)

/* v1 and v2 have one layout: only the words for its parts changed (rack GUID became chassis serial, and so on). */
typedef struct {
    unsigned version;
    uint8_t ib_guid[16];
    char chassis_serial[16];
    uint8_t slot, tray, host, peer_type, module;
} PlatformInfo;

typedef struct {
    unsigned version;
    char branch[80];
} DriverBranch;

typedef struct {
    unsigned version, value;
} AddressingMode;

typedef struct {
    unsigned pid;
    Count memory;
    unsigned gpu_instance, compute_instance;
} Process;

typedef enum { DOUBLE = 0, UNSIGNED = 1, UNSIGNED_LONG = 2, UNSIGNED_LONG_LONG = 3, SIGNED_LONG_LONG = 4, SIGNED = 5 } Kind;

typedef struct {
    unsigned id, scope;
    int64_t timestamp, latency; /* microseconds */
    Kind kind;
    Code result;
    union {
        double real;
        unsigned word;
        Count count;
        long long whole;
        int small;
    } value;
} FieldValue;

#endif
