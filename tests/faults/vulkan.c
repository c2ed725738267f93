// A Vulkan loader that fails calls on request, and otherwise hands them to the true one.
//
// Built by the tests as libvulkan.so.1 and put first by LD_LIBRARY_PATH. It stands between the program and the loader, so
// that what the program sees is what a driver would return.
//
//   ELBO_FAULT_LOADER  path of the true loader
//   ELBO_FAULT         what fails, by commas: NAME:N or NAME:N+ for all from the Nth call on, counted from 1, with =CODE
//                      behind it for another result than the default of the call. CODE is a VkResult.
//   ELBO_FAULT_LOG     file to write the number of calls of each name to when the process ends
//
// A device that was lost stays lost until another is opened, as a true one does.
//
// Link with -Wl,-soname,libvulkan.so.1 -Wl,-z,nodelete: otherwise a second opening of the library finds the true one.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_HOST_MEMORY (-1)
#define NO_DEVICE_MEMORY (-2)
#define LOST (-4)

// Calls that can fail, each with the result that it fails with. All of them take up to six arguments, each of the size of
// a pointer or less.
#define CALLS(X) \
    X(vkCreateInstance, NO_HOST_MEMORY) \
    X(vkEnumeratePhysicalDevices, NO_HOST_MEMORY) \
    X(vkEnumerateDeviceExtensionProperties, NO_HOST_MEMORY) \
    X(vkCreateDevice, NO_HOST_MEMORY) \
    X(vkAllocateMemory, NO_DEVICE_MEMORY) \
    X(vkMapMemory, NO_HOST_MEMORY) \
    X(vkBindBufferMemory, NO_DEVICE_MEMORY) \
    X(vkCreateBuffer, NO_HOST_MEMORY) \
    X(vkCreateFence, NO_HOST_MEMORY) \
    X(vkCreateSemaphore, NO_HOST_MEMORY) \
    X(vkCreateQueryPool, NO_HOST_MEMORY) \
    X(vkCreateCommandPool, NO_HOST_MEMORY) \
    X(vkAllocateCommandBuffers, NO_HOST_MEMORY) \
    X(vkBeginCommandBuffer, NO_HOST_MEMORY) \
    X(vkEndCommandBuffer, NO_HOST_MEMORY) \
    X(vkResetCommandPool, NO_HOST_MEMORY) \
    X(vkCreateDescriptorSetLayout, NO_HOST_MEMORY) \
    X(vkCreateDescriptorPool, NO_HOST_MEMORY) \
    X(vkAllocateDescriptorSets, NO_DEVICE_MEMORY) \
    X(vkCreatePipelineLayout, NO_HOST_MEMORY) \
    X(vkCreatePipelineCache, NO_HOST_MEMORY) \
    X(vkCreateShaderModule, NO_HOST_MEMORY) \
    X(vkCreateComputePipelines, NO_HOST_MEMORY) \
    X(vkQueueSubmit, LOST) \
    X(vkWaitSemaphores, LOST) \
    X(vkGetSemaphoreCounterValue, LOST)

typedef void (*Function)(void);
typedef Function (*Get)(void *, const char *);
typedef int32_t (*Call)(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t);

enum {
#define NUMBER(name, result) AT_##name,
    CALLS(NUMBER) COUNT
};

static const char *const NAMES[COUNT] = {
#define NAME(name, result) #name,
    CALLS(NAME)
};
static const int32_t RESULTS[COUNT] = {
#define RESULT(name, result) result,
    CALLS(RESULT)
};

static Get true_get;
static _Atomic(Call) true_calls[COUNT];
static atomic_long counts[COUNT];
static atomic_int is_lost;

// Whether the nth call of a name is to fail, and with what.
static int fails(int call, long n, int32_t *result) {
    const char *rest = getenv("ELBO_FAULT");
    size_t len = strlen(NAMES[call]);
    for (; rest && *rest; rest = strchr(rest, ',') ? strchr(rest, ',') + 1 : "") {
        if (strncmp(rest, NAMES[call], len) != 0 || rest[len] != ':') continue;
        char *end;
        long at = strtol(rest + len + 1, &end, 10);
        int onwards = *end == '+';
        if (n != at && !(onwards && n > at)) continue;
        end += onwards;
        *result = *end == '=' ? (int32_t)strtol(end + 1, NULL, 10) : RESULTS[call];
        return 1;
    }
    return 0;
}

static int32_t called(int call, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f) {
    int32_t result;
    long n = atomic_fetch_add(&counts[call], 1) + 1;
    if (fails(call, n, &result)) {
        if (result == LOST) atomic_store(&is_lost, 1);
        return result;
    }
    if (RESULTS[call] == LOST && atomic_load(&is_lost)) return LOST;
    result = atomic_load(&true_calls[call])(a, b, c, d, e, f);
    if (call == AT_vkCreateDevice && result == 0) atomic_store(&is_lost, 0);
    return result;
}

#define WRAPPER(name, result) \
    static int32_t my_##name(uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f) { \
        return called(AT_##name, a, b, c, d, e, f); \
    }
CALLS(WRAPPER)

static const Call WRAPPERS[COUNT] = {
#define POINTER(name, result) my_##name,
    CALLS(POINTER)
};

static Function vkGetDeviceProcAddr_of(void *device, const char *name);
static Get true_device_get;

static Function wrapped(const char *name, Function found) {
    if (found == NULL) return NULL;
    if (strcmp(name, "vkGetDeviceProcAddr") == 0) {
        true_device_get = (Get)found;
        return (Function)vkGetDeviceProcAddr_of;
    }
    for (int i = 0; i < COUNT; i++) {
        size_t len = strlen(NAMES[i]);
        // Extensions that have become part of Vulkan have a suffix more.
        if (strncmp(name, NAMES[i], len) == 0 && (name[len] == 0 || strcmp(name + len, "KHR") == 0)) {
            atomic_store(&true_calls[i], (Call)found);
            return (Function)WRAPPERS[i];
        }
    }
    return found;
}

static Function vkGetDeviceProcAddr_of(void *device, const char *name) {
    return wrapped(name, true_device_get(device, name));
}

__attribute__((visibility("default"))) Function vkGetInstanceProcAddr(void *instance, const char *name) {
    return true_get ? wrapped(name, true_get(instance, name)) : NULL;
}

__attribute__((constructor)) static void open_loader(void) {
    const char *path = getenv("ELBO_FAULT_LOADER");
    void *loader = path ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (loader == NULL) {
        fprintf(stderr, "ELBO_FAULT_LOADER: cannot open %s\n", path ? path : "(not set)");
        abort();
    }
    true_get = (Get)dlsym(loader, "vkGetInstanceProcAddr");
}

__attribute__((destructor)) static void write_counts(void) {
    const char *path = getenv("ELBO_FAULT_LOG");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file == NULL) return;
    for (int i = 0; i < COUNT; i++) fprintf(file, "%s %ld\n", NAMES[i], atomic_load(&counts[i]));
    fclose(file);
}
