"""The judgement: from a mention to an assessment."""

from monitor.scoring.learned import Reading
from monitor.scoring.rules import Problem, RulesFaulty, check_rules
from monitor.scoring.scorer import Harmless, Learnt, Scorer, build_scorer

__all__ = ["Harmless", "Learnt", "Problem", "Reading", "RulesFaulty", "Scorer", "build_scorer", "check_rules"]
