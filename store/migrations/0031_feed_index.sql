-- gateway: concurrent
-- Nothing reads the events in the order of their transactions any more (0030).
DROP INDEX CONCURRENTLY IF EXISTS events_feed;
