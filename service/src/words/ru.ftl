### Слова, которые есть у каждого сервиса, по-русски. Сообщения и параметры те же, что в `en.ftl`.

## Страница

language = Язык
skip-to-content = К содержанию
navigation = Разделы
path = Где вы
as-of = На момент
connection-lost = Сервер не отвечает. На странице данные последнего ответа.
back = Назад
told-failed = Не удалось выполнить
told-gone = Этого уже нет
told-other-site = Запрос пришёл не с этой страницы
told-stale-page = Страница устарела: вернитесь и повторите
page-failed = Не удалось показать страницу: { $why }

## Возраст

past-now = только что
past = { $age } назад
age-seconds = { $n } с
age-minutes = { $n } мин
age-hours = { $n } ч
age-days = { $n } дн

## Что сервис делает сам

state = Состояние
background = Что сервер делает сам
background-tasks = { $n ->
    [one] { $n } задача
    [few] { $n } задачи
   *[other] { $n } задач
 }
background-failing = из них с ошибкой: { $n }
task = Задача
last-run = Последний раз
next-run = Через
task-fine = в порядке
task-new = ещё не запускалась
task-runs = выполняется { $age }
task-failed = { $n ->
    [one] ошибка { $n } раз подряд
    [few] ошибка { $n } раза подряд
   *[other] ошибка { $n } раз подряд
 }

## Причины

# Что записано предложением на сервере прежней версии или сказано программой, брокером, системой.
why-worded = { $text }
why-task-panicked = задача оборвалась ({ $said }); это ошибка сервера
why-tls-file = { $path }: { $detail }
why-tls-authority-key = { $path } не подходит к сертификату рядом: верните нужный файл; или удалите оба, тогда появится новый удостоверяющий центр, которому пока никто не доверяет
why-tls-own-certificate = { $cert } с ключом { $key } не годятся для TLS: { $detail }
why-tls-not-made = не удалось выпустить сертификат { $path }: { $detail }
why-tls-library = не удалось подготовить TLS: { $detail }

## Кто не может войти, и что не так с изменением людей

why-wrong-password = логин и пароль не подходят
why-login-slow-down = слишком много попыток: подождите { $seconds } с
why-login-busy = сейчас входит много людей: повторите
why-login-disabled = пользователь { $login } отключён
why-password-first = { $login } должен сначала сменить пароль на странице
why-no-login = `{ $text }` не логин: не больше 64 символов, без двоеточия, косой черты и пробелов по краям
why-password-short = пароль не короче { $min } символов
why-password-long = пароль не длиннее { $max } байт
why-password-plain = пароль совпадает с логином или состоит из одного символа: выберите другой
why-password-same = это прежний пароль: выберите другой
why-unknown-user = пользователя { $login } нет
why-user-there = пользователь { $login } уже есть
why-last-user = { $login } — последний, кто может войти и управлять людьми: сначала добавьте другого
why-too-many-users = уже { $max } пользователей: сначала удалите кого-нибудь
why-link-gone = ссылка уже использована, её срок вышел или есть более новая: попросите другую
why-no-key-name = `{ $text }` не название ключа: не больше 64 символов, без двоеточия, косой черты и пробелов по краям
why-key-there = ключ { $name } уже есть
why-unknown-key = ключа { $name } нет
why-key-ended = срок ключа { $name } вышел { $at }: выдайте другой
why-key-days = ключ действует от 1 до { $max } дней
why-too-many-keys = уже { $max } ключей: сначала удалите какой-нибудь
why-unknown-session = такого сеанса больше нет
why-only-users = учётная запись есть только у пользователя с логином
why-password-not-hashed = не удалось вычислить хеш пароля: { $detail }
why-no-view-name = `{ $text }` не название вида: от 1 до { $max } знаков
why-no-view-address = вид — это адрес страницы этого сервера, не длиннее { $max } байт
why-too-many-views = у вас { $max } видов: сначала удалите один
why-unknown-view = нет вида `{ $name }`
