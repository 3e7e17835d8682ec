//! Waiting for what comes about in its own time.

use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until it holds.
///
/// # Panics
/// With `what`, when it does not within a minute.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < PATIENCE, "waited {PATIENCE:?} for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What a future gives.
///
/// # Panics
/// With `what`, when it gives nothing within a minute.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(PATIENCE, future).await;
    done.unwrap_or_else(|_| panic!("waited {PATIENCE:?} for: {what}"))
}
