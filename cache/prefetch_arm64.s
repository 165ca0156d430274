#include "textflag.h"

// func prefetch(a, b, c, d, e unsafe.Pointer)
TEXT ·prefetch(SB), NOSPLIT, $0-40
	LDP a+0(FP), (R0, R1)
	LDP c+16(FP), (R2, R3)
	MOVD e+32(FP), R4
	PRFM (R0), PSTL1KEEP
	PRFM (R1), PSTL1KEEP
	PRFM (R2), PSTL1KEEP
	PRFM (R3), PSTL1KEEP
	PRFM (R4), PSTL1KEEP
	RET
