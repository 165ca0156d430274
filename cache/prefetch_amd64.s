#include "textflag.h"

// func prefetch(a, b, c, d, e unsafe.Pointer)
TEXT ·prefetch(SB), NOSPLIT, $0-40
	MOVQ a+0(FP), AX
	MOVQ b+8(FP), BX
	MOVQ c+16(FP), CX
	MOVQ d+24(FP), DX
	MOVQ e+32(FP), SI
	CMPB ·fetchesForWriting(SB), $0
	JEQ  reading
	BYTE $0x0f; BYTE $0x0d; BYTE $0x08 // PREFETCHW (AX), which the assembler does not know
	BYTE $0x0f; BYTE $0x0d; BYTE $0x0b // PREFETCHW (BX)
	BYTE $0x0f; BYTE $0x0d; BYTE $0x09 // PREFETCHW (CX)
	BYTE $0x0f; BYTE $0x0d; BYTE $0x0a // PREFETCHW (DX)
	BYTE $0x0f; BYTE $0x0d; BYTE $0x0e // PREFETCHW (SI)
	RET

reading:
	PREFETCHT0 (AX)
	PREFETCHT0 (BX)
	PREFETCHT0 (CX)
	PREFETCHT0 (DX)
	PREFETCHT0 (SI)
	RET

// func knowsPREFETCHW() bool
TEXT ·knowsPREFETCHW(SB), NOSPLIT, $0-1
	MOVB $0, ret+0(FP)
	MOVL $0x80000000, AX
	CPUID
	CMPL AX, $0x80000001
	JCS  none
	MOVL $0x80000001, AX
	CPUID
	SHRL $8, CX
	ANDL $1, CX
	MOVB CX, ret+0(FP)

none:
	RET
