//! Holding the engine to one way of probing.

/// Makes every probe from here on use `variant`; whether this processor can.
pub(super) fn force(variant: &str) -> bool {
    is_supported(variant) && arraylog::__bench::force_probe(variant)
}

#[cfg(target_arch = "x86_64")]
fn is_supported(variant: &str) -> bool {
    variant != "avx2" || std::arch::is_x86_feature_detected!("avx2")
}

/// "sse2" stands for what every processor of the architecture has.
#[cfg(not(target_arch = "x86_64"))]
fn is_supported(variant: &str) -> bool {
    variant != "avx2"
}
