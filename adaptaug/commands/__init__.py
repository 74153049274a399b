"""The console command `adaptaug`: what a policy is, and how to search one."""
