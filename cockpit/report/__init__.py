"""What others read: the postmortem draft and other exports."""
