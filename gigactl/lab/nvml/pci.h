/* PCI addresses as NVML spells them. */
#ifndef LAB_PCI_H
#define LAB_PCI_H

#include <stdbool.h>

#include "nvml.h"

/* Fill in where a device stands, from `0000:18:00.0` with a domain of four or eight digits; false where it is no address. */
bool pci_place(const char *address, PciInfo *info);

#endif
