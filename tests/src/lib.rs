//! Test kit, scenarios, demo
