use std::time::Duration;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// How one try failed.
#[derive(Debug)]
pub(crate) enum Failed<E> {
    /// The same may succeed in a moment.
    Again(E),
    /// It will not.
    Finally(E),
}

/// Tries at most so many times, with pauses that double and are jittered, so that a fleet does not ask in step.
pub(crate) async fn retrying<T, E, F>(attempts: u32, once: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, Failed<E>>>,
{
    let mut pause = FIRST_PAUSE;
    for _ in 1..attempts {
        match once().await {
            Ok(value) => return Ok(value),
            Err(Failed::Finally(error)) => return Err(error),
            Err(Failed::Again(_)) => {}
        }
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
    once().await.map_err(|(Failed::Again(error) | Failed::Finally(error))| error)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Tries until the answer is `Ok`, and says after how many tries and how much (paused) time it was over.
    async fn run(
        attempts: u32,
        answers: &[Result<(), Failed<&'static str>>],
    ) -> (Result<(), &'static str>, usize, Duration) {
        let (tries, start) = (Cell::new(0), tokio::time::Instant::now());
        let result = retrying(attempts, || {
            let answer = match &answers[tries.replace(tries.get() + 1)] {
                Ok(()) => Ok(()),
                Err(Failed::Again(e)) => Err(Failed::Again(*e)),
                Err(Failed::Finally(e)) => Err(Failed::Finally(*e)),
            };
            std::future::ready(answer)
        })
        .await;
        (result, tries.get(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_failure_is_tried_again_after_a_pause() {
        let (result, tries, time) = run(3, &[Err(Failed::Again("busy")), Ok(())]).await;
        assert_eq!((result, tries), (Ok(()), 2));
        assert!((99..=201).contains(&time.as_millis()), "half to the whole of the first pause: {time:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_failure_is_not_tried_again() {
        let (result, tries, time) = run(3, &[Err(Failed::Finally("no"))]).await;
        assert_eq!((result, tries, time), (Err("no"), 1, Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_told_when_the_tries_are_used_up() {
        let answers = ["one", "two", "three"].map(|text| Err(Failed::Again(text)));
        let (result, tries, time) = run(3, &answers).await;
        assert_eq!((result, tries), (Err("three"), 3));
        assert!((299..=602).contains(&time.as_millis()), "the second pause is twice the first: {time:?}");
        assert_eq!(run(0, &answers).await.1, 1, "at least once");
    }
}
