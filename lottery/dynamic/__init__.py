"""Masks that move while a round trains: when, and which weights are dropped and grown."""

from lottery.dynamic.acdc import AcDc as AcDc
from lottery.dynamic.exchange import Rigl as Rigl
from lottery.dynamic.exchange import Set as Set
from lottery.dynamic.exchange import exchange as exchange
from lottery.dynamic.exchange import exchanged as exchanged
from lottery.dynamic.gradual import Gmp as Gmp
from lottery.dynamic.interface import Dynamic as Dynamic
from lottery.dynamic.interface import Moment as Moment
from lottery.dynamic.interface import Quota as Quota
from lottery.dynamic.interface import Span as Span
from lottery.dynamic.interface import Stage as Stage
from lottery.dynamic.interface import has_dense_gradients as has_dense_gradients
from lottery.dynamic.interface import has_fresh_optimizer as has_fresh_optimizer
from lottery.dynamic.interface import restarts_schedule as restarts_schedule
from lottery.dynamic.interface import starts_dense as starts_dense
from lottery.dynamic.moving import Moving as Moving
from lottery.dynamic.moving import WrongMove as WrongMove
from lottery.dynamic.static import Static as Static
