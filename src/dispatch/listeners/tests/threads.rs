//! The number of threads that read histories.

use super::*;

#[test]
fn number_of_threads_follows_the_rooms_up_to_a_limit() {
    let hub = Hub::new();
    let _two = hub.listen(Listen::new().rooms(&[1, 2]), true);
    assert_eq!((hub.start_threads(), hub.start_threads()), (2, 0));
    let _ten = hub.listen(Listen::new().rooms(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]), true);
    assert_eq!((hub.start_threads(), hub.start_threads()), (2, 0));
}

#[test]
fn failed_thread_start_is_not_counted() {
    let hub = Hub::new();
    let _listener = hub.listen(Listen::new().room(ROOM), true);
    let refused = hub.listeners.ensure_threads(|| {
        // Another listener that is added now waits, and then starts a thread itself.
        assert!(hub.listeners.starting_threads.try_lock().is_none());
        Err("refused")
    });
    assert_eq!(refused, Err("refused"));
    assert_eq!(hub.start_threads(), 1);
}

#[test]
fn one_thread_suffices_if_the_system_refuses_more() {
    let hub = Hub::new();
    let _listener = hub.listen(Listen::new().room(1), true);
    hub.start_threads();
    let _other = hub.listen(Listen::new().rooms(&[2, 3]), true);
    assert_eq!(hub.listeners.ensure_threads(|| Err("refused")), Ok(()));
    assert_eq!(hub.start_threads(), 2, "it is tried again with the next listener");
}
