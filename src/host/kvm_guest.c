/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine of 256 KiB with one vCPU that starts in 64-bit mode, runs a few dozen
 * instructions and reports by writing to memory. It is what a stock kernel needs in its first
 * milliseconds, not a test of KVM as a whole.
 */
#include "host/kvm_guest.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/kvm.h>

#include "common/fd.h"
#include "host/kvm_probe.h"

static void finish(struct kvm_probe *ret, enum kvm_probe_result result, const char *detail)
{
	(void)snprintf(ret->detail, sizeof(ret->detail), "%s", detail);
	ret->result = result;
}

static void finish_errno(struct kvm_probe *ret, enum kvm_probe_result result, const char *what)
{
	/* %m reads errno before anything here can change it. */
	(void)snprintf(ret->detail, sizeof(ret->detail), "%s: %m", what);
	ret->result = result;
}

#ifdef __x86_64__

/* Guest-physical layout; the first 2 MiB are mapped one to one by a single large page. */
#define GUEST_SIZE 0x40000
#define GUEST_PML4 0x1000
#define GUEST_PDPT 0x2000
#define GUEST_PD 0x3000
#define GUEST_CODE 0x4000
#define GUEST_RESULT 0x5000
#define GUEST_CMPXCHG 0x6000
#define GUEST_XSAVE 0x7000
#define GUEST_STACK 0x9000

#define GUEST_PORT 0x10
#define LOOP_COUNT 20000
#define LOOP_STEP 3
#define MAGIC 0x6b617461766d6f6bULL

#define XFEATURES_X87_SSE 3

#define CR0_PE 0x1UL
#define CR0_MP 0x2UL
#define CR0_NE 0x20UL
#define CR0_PG 0x80000000UL
#define CR4_PAE 0x20UL
#define CR4_OSFXSR 0x200UL
#define CR4_OSXSAVE 0x40000UL
#define EFER_LME 0x100UL
#define EFER_LMA 0x400UL
#define PTE_PRESENT_RW 0x3UL
#define PTE_LARGE 0x80UL

#define CPUID_ENTRIES_MAX 256
#define CPUID_1_ECX_XSAVE (1U << 26)

/* At GUEST_RESULT; written by the guest code below, in this order. */
struct guest_result {
	uint64_t sum;	  /* of the counted loop */
	uint64_t swapped; /* 1 when cmpxchg16b saw the expected value */
	uint64_t xcr0;
	uint64_t magic; /* last */
};

#define STR_(x) #x
#define STR(x) STR_(x)

/* clang-format off */
__asm__(
	".pushsection .rodata\n"
	"kvm_guest_code:\n"
	/* The host put 1:2 there; exchange it for 3:4. */
	"	mov $1, %edx\n"
	"	mov $2, %eax\n"
	"	mov $3, %ecx\n"
	"	mov $4, %ebx\n"
	"	lock cmpxchg16b " STR(GUEST_CMPXCHG) "\n"
	"	setz %al\n"
	"	movzbl %al, %eax\n"
	"	mov %rax, " STR(GUEST_RESULT) " + 8\n"
	/* The host says in EDI whether this CPU has XSAVE. */
	"	movabs $" STR(MAGIC) ", %rbx\n"
	"	test %edi, %edi\n"
	"	jz 4f\n"
	"	xor %ecx, %ecx\n"
	"	xor %edx, %edx\n"
	"	mov $" STR(XFEATURES_X87_SSE) ", %eax\n"
	"	xsetbv\n"
	"	xgetbv\n"
	"	mov %rax, " STR(GUEST_RESULT) " + 16\n"
	"	xor %edx, %edx\n"
	"	mov $" STR(XFEATURES_X87_SSE) ", %eax\n"
	"	xsave64 " STR(GUEST_XSAVE) "\n"
	"4:	call 2f\n"
	"2:	pop %rcx\n"
	/*
	 * Last, because a KVM that emulates every instruction takes long for it and fails earlier
	 * above.
	 */
	"	mov $" STR(LOOP_COUNT) ", %ecx\n"
	"	xor %eax, %eax\n"
	"1:	add $" STR(LOOP_STEP) ", %rax\n"
	"	dec %ecx\n"
	"	jnz 1b\n"
	"	mov %rax, " STR(GUEST_RESULT) "\n"
	"	mov %rbx, " STR(GUEST_RESULT) " + 24\n"
	"	out %al, $" STR(GUEST_PORT) "\n"
	"3:	hlt\n"
	"	jmp 3b\n"
	"kvm_guest_code_end:\n"
	".popsection\n");
/* clang-format on */

extern const uint8_t kvm_guest_code[], kvm_guest_code_end[];

/* A code or data segment as 64-bit code expects to find it already loaded. */
static struct kvm_segment flat_segment(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.selector = selector,
		.limit = UINT32_MAX,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = type == 11, /* long mode is a property of code segments */
		.db = type != 11,
	};
}

static void fill_memory(uint8_t *mem)
{
	uint64_t pml4 = GUEST_PDPT | PTE_PRESENT_RW;
	uint64_t pdpt = GUEST_PD | PTE_PRESENT_RW;
	uint64_t pd = 0 | PTE_PRESENT_RW | PTE_LARGE;
	const uint64_t operand[2] = { 2, 1 };

	memcpy(mem + GUEST_PML4, &pml4, sizeof(pml4));
	memcpy(mem + GUEST_PDPT, &pdpt, sizeof(pdpt));
	memcpy(mem + GUEST_PD, &pd, sizeof(pd));
	memcpy(mem + GUEST_CMPXCHG, operand, sizeof(operand));
	memcpy(mem + GUEST_CODE, kvm_guest_code, (size_t)(kvm_guest_code_end - kvm_guest_code));
}

/* @ret_xsave: does this KVM offer XSAVE to its guests? CPUID leaf 1, ECX bit 26. */
static int set_cpuid(int kvm_fd, int vcpu_fd, bool *ret_xsave)
{
	union {
		struct kvm_cpuid2 head;
		char space[sizeof(struct kvm_cpuid2) +
			   CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = { .head = { .nent = CPUID_ENTRIES_MAX } };

	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, &cpuid.head) < 0)
		return -1;
	*ret_xsave = false;
	for (uint32_t i = 0; i < cpuid.head.nent; i++)
		if (cpuid.head.entries[i].function == 1)
			*ret_xsave = cpuid.head.entries[i].ecx & CPUID_1_ECX_XSAVE;
	return ioctl(vcpu_fd, KVM_SET_CPUID2, &cpuid.head);
}

static int set_registers(int vcpu_fd, bool xsave)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = GUEST_CODE, .rsp = GUEST_STACK, .rflags = 2, .rdi = xsave };

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	sregs.cr0 = CR0_PE | CR0_MP | CR0_NE | CR0_PG;
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = CR4_PAE | CR4_OSFXSR | (xsave ? CR4_OSXSAVE : 0);
	sregs.efer = EFER_LME | EFER_LMA;
	sregs.cs = flat_segment(0x8, 11);
	sregs.ds = sregs.es = sregs.ss = sregs.fs = sregs.gs = flat_segment(0x10, 3);
	sregs.idt.limit = 0; /* any exception becomes a triple fault, which ends KVM_RUN */
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	return ioctl(vcpu_fd, KVM_SET_REGS, &regs);
}

static void check_result(const uint8_t *mem, bool xsave, struct kvm_probe *ret)
{
	struct guest_result result;
	uint64_t operand[2];

	memcpy(&result, mem + GUEST_RESULT, sizeof(result));
	memcpy(operand, mem + GUEST_CMPXCHG, sizeof(operand));
	if (result.magic != MAGIC || result.sum != (uint64_t)LOOP_COUNT * LOOP_STEP)
		finish(ret, KVM_PROBE_WRONG_RESULT, "the test guest counted wrong");
	else if (result.swapped != 1 || operand[0] != 4 || operand[1] != 3)
		finish(ret, KVM_PROBE_WRONG_RESULT, "cmpxchg16b went wrong in the test guest");
	/*
	 * That xsave runs is what counts. What it saves is not looked at: below an emulated
	 * processor the area lacks XMM0, and stock kernels run there all the same.
	 */
	else if (xsave && result.xcr0 != XFEATURES_X87_SSE)
		finish(ret, KVM_PROBE_WRONG_RESULT, "xsave went wrong in the test guest");
	else
		finish(ret, KVM_PROBE_OK, "a 64-bit test guest ran correctly");
}

static void run_vcpu(int vcpu_fd, const struct kvm_run *run, const uint8_t *mem, bool xsave,
		     struct kvm_probe *ret)
{
	int r;

	do
		r = ioctl(vcpu_fd, KVM_RUN, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0) {
		finish_errno(ret, KVM_PROBE_BAD_EXIT, "KVM_RUN of the test guest");
		return;
	}
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == GUEST_PORT) {
		check_result(mem, xsave, ret);
		return;
	}
	ret->result = KVM_PROBE_BAD_EXIT;
	(void)snprintf(ret->detail, sizeof(ret->detail), "the test guest ended with KVM exit %u%s",
		       run->exit_reason,
		       run->exit_reason == KVM_EXIT_SHUTDOWN ? " (triple fault)"
		       : run->exit_reason == KVM_EXIT_INTERNAL_ERROR
			       ? " (internal error: an instruction is not emulated)"
			       : "");
}

/**
 * kvm_guest_run() - run the test guest
 * @kvm_fd: open /dev/kvm
 * @ret: gets result and detail; untouched as long as the guest has not ended
 *
 * May never return on a KVM that misbehaves. Releases what it made only by the exit of the calling
 * process, which is expected to follow at once.
 */
void kvm_guest_run(int kvm_fd, struct kvm_probe *ret)
{
	cleanup_close int vm_fd = -1, vcpu_fd = -1;
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_SIZE };
	struct kvm_run *run;
	uint8_t *mem;
	bool xsave;
	int size;

	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm_fd < 0)
		return finish_errno(ret, KVM_PROBE_NO_VM, "KVM_CREATE_VM");
	mem = mmap(NULL, GUEST_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return finish_errno(ret, KVM_PROBE_NO_VM, "mapping memory of the test guest");
	fill_memory(mem);
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return finish_errno(ret, KVM_PROBE_NO_VM, "KVM_SET_USER_MEMORY_REGION");
	vcpu_fd = ioctl(vm_fd, KVM_CREATE_VCPU, 0);
	if (vcpu_fd < 0)
		return finish_errno(ret, KVM_PROBE_NO_VM, "KVM_CREATE_VCPU");
	size = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (size < (int)sizeof(*run))
		return finish(ret, KVM_PROBE_NO_VM, "KVM_GET_VCPU_MMAP_SIZE gave no usable size");
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu_fd, 0);
	if (run == MAP_FAILED)
		return finish_errno(ret, KVM_PROBE_NO_VM, "mapping the vCPU");
	if (set_cpuid(kvm_fd, vcpu_fd, &xsave) < 0)
		return finish_errno(ret, KVM_PROBE_NO_VM, "setting the vCPU's CPUID");
	if (set_registers(vcpu_fd, xsave) < 0)
		return finish_errno(ret, KVM_PROBE_NO_VM, "setting the vCPU's registers");
	run_vcpu(vcpu_fd, run, mem, xsave, ret);
}

#else

/*
 * Elsewhere no host is known whose KVM opens but does not work; making a VM is proof enough.
 */
void kvm_guest_run(int kvm_fd, struct kvm_probe *ret)
{
	cleanup_close int vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);

	if (vm_fd < 0)
		finish_errno(ret, KVM_PROBE_NO_VM, "KVM_CREATE_VM");
	else
		finish(ret, KVM_PROBE_OK, "a virtual machine can be made");
}

#endif
