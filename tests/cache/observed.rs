//! The events of the feature `tracing`.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::fmt::MakeWriter;

use crate::support::{Clock, HOUR, Reply, Source, key, seconds, settle};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Written {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn what_happens_is_reported_without_secrets() {
    let written = Written::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(written.clone())
        .finish();
    let _default = tracing::subscriber::set_default(subscriber);

    let clock = Clock::new();
    let source = Source::new(&clock, [Reply::Fresh(HOUR), Reply::Error]);
    let cache = source.cache();
    let reported = |parts: &[&str]| {
        let text = written.take();
        let line = text.lines().find(|line| line.contains("tower_sigv4")).unwrap_or_default().to_owned();
        for part in parts {
            assert!(line.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("the secret") && !text.contains("the token"), "{text}");
    };
    key(&cache).await.unwrap();
    reported(&["DEBUG", "Source", "outcome=\"refreshed\"", "expires_in_s=3600", "next_try_s="]);

    clock.advance(HOUR - seconds(70));
    key(&cache).await.unwrap();
    settle().await;
    reported(&["WARN", "outcome=\"kept\"", "kind=Source", "expires_in_s=70", "next_try_s="]);

    cache.invalidate("AKID-0");
    reported(&["INFO", "access_key_id=\"AKID-0\""]);
    cache.invalidate("another");
    assert_eq!(written.take(), "");

    clock.advance(seconds(70));
    assert!(cache.get().await.is_err());
    reported(&["WARN", "outcome=\"failed\"", "kind=Source"]);
}
